package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"data-exhaust/blob"
)

// An object is written, listed and read in the same way in a folder and, with a URL such as azblob://container/prefix, in
// Azure.
func ExampleOpenURL() {
	folder, err := os.MkdirTemp("", "reports-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	ctx := context.Background()
	store, err := blob.OpenURL(ctx, "file://"+folder, blob.Env{})
	if err != nil {
		log.Fatal(err)
	}
	writer, err := store.Create(ctx, "2022-04-06/response.csv", "text/csv")
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Abort() // does nothing after Commit
	fmt.Fprintln(writer, "device,answer")
	fmt.Fprintln(writer, "d-1,yes")
	if err := writer.Commit(); err != nil {
		log.Fatal(err)
	}

	for object, err := range store.List(ctx, "2022-04-06/", "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(object.Name, object.Size, "bytes")
	}
	reader, err := store.Open(ctx, "2022-04-06/response.csv")
	if err != nil {
		log.Fatal(err)
	}
	defer reader.Close()
	if _, err := io.Copy(os.Stdout, reader); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 2022-04-06/response.csv 22 bytes
	// device,answer
	// d-1,yes
}

// What is written appears at Commit. Until then, and after Abort, nothing is there.
func ExampleWriter() {
	folder, err := os.MkdirTemp("", "reports-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	store, err := blob.NewLocal(folder, blob.LocalOptions{})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	writer, err := store.Create(ctx, "response.csv", "text/csv")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(writer, "half a report")
	_, err = store.Open(ctx, "response.csv")
	fmt.Println("before the commit there is none:", errors.Is(err, blob.ErrNotFound))
	if err := writer.Abort(); err != nil {
		log.Fatal(err)
	}
	_, err = store.Open(ctx, "response.csv")
	fmt.Println("after the abort there is none:", errors.Is(err, blob.ErrNotFound))
	fmt.Println("and it cannot be committed any more:", writer.Commit() != nil)
	// Output:
	// before the commit there is none: true
	// after the abort there is none: true
	// and it cannot be committed any more: true
}

// The URL of an object in a folder works where Handler is mounted. In Azure it needs no handler.
func ExampleLocal_Handler() {
	folder, err := os.MkdirTemp("", "reports-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	store, err := blob.NewLocal(folder, blob.LocalOptions{
		BaseURL: server.URL + "/files/reports",
		Key:     bytes.Repeat([]byte("k"), 32), // in production, LoadOrCreateKey
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle("/files/reports/", http.StripPrefix("/files/reports", store.Handler()))

	ctx := context.Background()
	writer, err := store.Create(ctx, "response.csv", "text/csv")
	if err != nil {
		log.Fatal(err)
	}
	defer writer.Abort()
	fmt.Fprint(writer, "device,answer")
	if err := writer.Commit(); err != nil {
		log.Fatal(err)
	}
	for _, validFor := range []time.Duration{time.Hour, -time.Hour} {
		url, err := store.SignURL(ctx, "response.csv", time.Now().Add(validFor))
		if err != nil {
			log.Fatal(err)
		}
		response, err := http.Get(url)
		if err != nil {
			log.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", response.Status, bytes.TrimSpace(body))
	}
	// Output:
	// 200 OK: device,answer
	// 403 Forbidden: This download link has expired, ask for the exhaust again to get a new one.
}
