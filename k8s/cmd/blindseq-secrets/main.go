// Command blindseq-secrets prints the Secrets of a new cluster, for kubectl create -f -.
package main

import (
	"fmt"
	"os"

	"blindseq/k8s/secrets"

	"github.com/alecthomas/kong"
	"sigs.k8s.io/yaml"
)

type flags struct {
	Namespace  string `help:"Namespace of the Secrets." default:"blindseq"`
	Prefix     string `help:"Prefix of all names: that of a Helm release, with a hyphen."`
	Keyholders int    `help:"Number of keyholders to make keys for, FOR DEVELOPMENT only. 0 makes none: the committee made its own." default:"0"`
	ChainID    uint64 `name:"chain-id" help:"Chain the committee attests for. Required with --keyholders." default:"0"`
	TLS        bool   `name:"tls" help:"Also make certificates for mutual TLS. The key of their authority is not kept."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("blindseq-secrets"),
		kong.Description("Print the Secrets of a new cluster as YAML. They are made anew each time: never replace those that are in use."))
	if f.Keyholders > 0 && f.ChainID == 0 {
		fmt.Fprintln(os.Stderr, "blindseq-secrets: --keyholders needs --chain-id: the chain that the committee attests for (1337 is the development chain)")
		os.Exit(2)
	}
	list, err := secrets.Make(secrets.Options{Namespace: f.Namespace, Prefix: f.Prefix, Keyholders: f.Keyholders, ChainID: f.ChainID, TLS: f.TLS})
	if err == nil {
		var text []byte
		if text, err = yaml.Marshal(list); err == nil {
			_, err = os.Stdout.Write(text)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-secrets:", err)
		os.Exit(1)
	}
}
