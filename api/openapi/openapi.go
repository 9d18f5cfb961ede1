// Package openapi holds the description of the API in OpenAPI 3.1, and may not import anything: the api serves it, tests hold
// the handlers against it, and docs/api.md and the Postman collection are made of it (`make api-docs`).
package openapi

import _ "embed"

// Document is openapi.json.
//
//go:embed openapi.json
var Document []byte
