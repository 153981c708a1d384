package apigw

import "testing"

func TestALeaseDoesNotChooseThatItsHolderIsAskedInPlainText(t *testing.T) {
	for address, want := range map[string]string{
		"": "", "http://": "", "10.0.0.1:7303": "https://10.0.0.1:7303", "http://10.0.0.1:7303": "https://10.0.0.1:7303", "ws://a:1/x": "https://a:1/x",
	} {
		if got := overTLS(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}
