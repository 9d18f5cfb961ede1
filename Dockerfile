# syntax=docker/dockerfile:1.7

# The image of the three binaries: api, worker and starter. It holds them, the certificates of public
# authorities, and an empty folder for data; no shell and nothing else.
#
#   docker build -t data-exhaust:local .
#
# To pin the base by content as well, add its digest: golang:1.26.8-bookworm@sha256:…
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/bin/ ./api ./worker ./starter
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/bin/ /bin/
# A volume that is mounted here for the first time takes its owner over.
COPY --from=build --chown=65532:65532 /out/data /data
ENV PATH=/bin \
    HOME=/data \
    EXHAUST_DATA_DIR=/data \
    EXHAUST_ADDR=0.0.0.0:8080
WORKDIR /data
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# For the API, which is what the image runs by itself, and whether it lives: some engines restart what is unhealthy, and no
# restart heals a database that is away. The worker's is `starter health --worker`.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["starter", "health", "--alive"]
CMD ["api"]
