package blob

import (
	"io"
	"testing"
)

// BenchmarkStreaming writes and reads an object of 64 MiB in pieces of 64 KiB.
func BenchmarkStreaming(b *testing.B) {
	content := randomBytes(64 << 20)
	for name, open := range map[string]func() Store{
		"folder":  func() Store { return openLocal(b, b.TempDir()) },
		"Azurite": func() Store { return azureByKey(b, limits{}) },
	} {
		store := open()
		b.Run(name+"/write", func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				writer, err := store.Create(b.Context(), "a.bin", "")
				if err != nil {
					b.Fatal(err)
				}
				for rest := content; len(rest) > 0; rest = rest[64<<10:] {
					if _, err := writer.Write(rest[:64<<10]); err != nil {
						b.Fatal(err)
					}
				}
				if err := writer.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/read", func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			piece := make([]byte, 64<<10)
			for b.Loop() {
				reader, err := store.Open(b.Context(), "a.bin")
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, reader, piece); err != nil || n != int64(len(content)) {
					b.Fatal(n, err)
				}
				reader.Close()
			}
		})
	}
}
