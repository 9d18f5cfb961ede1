package blob

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStoreIsNamedByItsURL(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	env := Env{AzureConnectionString: "UseDevelopmentStorage=true;", BaseURL: "http://127.0.0.1:8080/files", Key: testKey}
	absolute := filepath.ToSlash(filepath.Join(here, "abs"))
	for url, want := range map[string]string{
		"file://" + absolute:       absolute,
		"file://data/reports":      here + "/data/reports",
		"file://./my%20data":       here + "/my data",
		"azblob://reports":         "http://127.0.0.1:10000/devstoreaccount1/reports ",
		"azblob://reports/":        "http://127.0.0.1:10000/devstoreaccount1/reports ",
		"azblob://tele-metry/a/b/": "http://127.0.0.1:10000/devstoreaccount1/tele-metry a/b/",
	} {
		store, err := OpenURL(t.Context(), url, env)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		var got string
		switch store := store.(type) {
		case *Local:
			got = store.root
			if !store.signer.canSign() {
				t.Errorf("%s cannot sign", url)
			}
		case *Azure:
			got = store.where + " " + store.prefix
		}
		if got != want {
			t.Errorf("%s opens %q, want %q", url, got, want)
		}
	}
}

func TestAnAccountIsNamedByNameOrEndpoint(t *testing.T) {
	for account, want := range map[string]string{
		"sunbird01":                             "https://sunbird01.blob.core.windows.net/reports",
		"https://sunbird01.blob.example.cloud/": "https://sunbird01.blob.example.cloud/reports",
	} {
		store, err := OpenURL(t.Context(), "azblob://reports", Env{AzureAccount: account})
		if err != nil {
			t.Errorf("%s: %v", account, err)
		} else if got := store.(*Azure).where; got != want {
			t.Errorf("%s opens %q, want %q", account, got, want)
		}
	}
}

func TestABadStoreIsAnErrorThatSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	emulator := Env{AzureConnectionString: "UseDevelopmentStorage=true"}
	for _, test := range []struct {
		url  string
		env  Env
		want string
	}{
		{"", Env{}, "must begin with file:// or azblob://"},
		{"/var/data", Env{}, "must begin with file:// or azblob://"},
		{"s3://bucket/prefix", Env{}, "must begin with file:// or azblob://"},
		{"file://", Env{}, "file:///absolute/folder"},
		{"file:///a%zz", Env{}, "file:///absolute/folder"},
		{"file://" + file, Env{}, "not a directory"},
		{"file://" + filepath.Dir(file), Env{Key: []byte("short")}, "has 5 bytes, at least 32"},
		{"azblob://", emulator, "is no container name"},
		{"azblob://ab", emulator, "is no container name"},
		{"azblob://Reports", emulator, "is no container name"},
		{"azblob://a--b", emulator, "is no container name"},
		{"azblob://-ab", emulator, "is no container name"},
		{"azblob://" + strings.Repeat("a", 64), emulator, "is no container name"},
		{"azblob://reports/a//b", emulator, `segment ""`},
		{"azblob://reports/../b", emulator, `segment ".."`},
		{"azblob://reports", Env{}, "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT"},
		{"azblob://reports", Env{AzureAccount: "My_Account"}, "is no storage account"},
		{"azblob://reports", Env{AzureAccount: "http://account.example"}, "is no storage account"},
		{"azblob://reports", Env{AzureConnectionString: "AccountName=a"}, "the connection string is not valid"},
		{"azblob://reports", Env{AzureConnectionString: "AccountName=a;AccountKey=not-base64-secret"}, "the connection string is not valid"},
		{"azblob://reports", Env{AzureConnectionString: "secret"}, "the connection string is not valid"},
	} {
		store, err := OpenURL(t.Context(), test.url, test.env)
		if store != nil || err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.url) {
			t.Errorf("%q: %v, want an error with %q", test.url, err, test.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells a secret: %v", test.url, err)
		}
	}
}
