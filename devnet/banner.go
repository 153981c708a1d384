package devnet

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"blindseq/producer-svc/devaccounts"
)

//go:embed banner.txt.tmpl
var bannerText string

var bannerTemplate = template.Must(template.New("banner").Parse(bannerText))

// banner is what a developer sees first. Its lines have 80 columns at most, but for paths.
func (c *console) banner(chainID, head uint64) (string, error) {
	accounts, err := devaccounts.All()
	if err != nil {
		return "", err
	}
	data := shortPath(c.cfg.DataDir)
	var b bytes.Buffer
	err = bannerTemplate.Execute(&b, map[string]any{
		"ChainID": chainID, "Head": head, "RPC": c.urls.rpc, "REST": c.urls.rest, "Sealed": c.urls.bundler, "Blocks": c.blocks(),
		"Data": data, "Committee": filepath.Join(data, "keys", "committee.json"), "Tools": c.tools, "OwnGenesis": c.cfg.Genesis != "",
		"Mnemonic": devaccounts.Mnemonic, "Accounts": accounts,
	})
	if err != nil {
		return "", fmt.Errorf("write the banner: %w", err)
	}
	return b.String(), nil
}

// blocks says when blocks are made.
func (c *console) blocks() string {
	var text string
	switch c.cfg.TimeBetweenBlocks {
	case "transactions":
		text = "Blocks are made for transactions only"
	case "demand", "none":
		text = "Blocks are made on demand only: transactions wait"
	default:
		text = "Blocks are made for transactions, and every " + c.cfg.TimeBetweenBlocks + " without any"
	}
	if c.cfg.PreblockTime > 0 {
		every, _ := c.cfg.PreblockTime.MarshalText() // it never fails
		return text + ", one each " + string(every) + "."
	}
	return text + "."
}

// shortPath is a path as it is seen from the working directory, if it is below it.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	return short
}
