package devnet

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	mdLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	inCode  = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// TestEveryLinkOfTheDocumentsLeadsSomewhere: files that are there, and headings that are there.
func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	pages := append(documents(t, ".."), "../llms.txt")
	links := 0
	for _, page := range pages {
		for _, m := range mdLink.FindAllStringSubmatch(inCode.ReplaceAllString(readPage(t, page), ""), -1) {
			links++
			if problem := follow(t, page, m[1]); problem != "" {
				t.Errorf("%s: %s: %s", page, m[1], problem)
			}
		}
	}
	if len(pages) < 40 || links < 300 {
		t.Errorf("only %d links in %d pages were found", links, len(pages))
	}
}

// follow says what is wrong with a link; "" for nothing, or when it leads to another host.
func follow(t *testing.T, page, link string) string {
	t.Helper()
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	path, anchor, _ := strings.Cut(link, "#")
	target := page
	if path != "" {
		target = filepath.Join(filepath.Dir(page), path)
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file"
	}
	if anchor != "" && strings.HasSuffix(target, ".md") && !anchors(readPage(t, target))[anchor] {
		return "there is no such heading"
	}
	return ""
}

// anchors are the headings of a page as links name them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		text := mdLink.ReplaceAllString(m[1], "]")
		out[strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, text)] = true
	}
	return out
}

// notOurs are folders whose pages are copies, or nobody's.
var notOurs = []string{".git", "bin", "data", "api-gw/internal/page/dist"}

// documents are the pages under a folder, without those of packages that were installed there.
func documents(t *testing.T, root string) (pages []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(notOurs, strings.TrimPrefix(path, root+"/")), entry.IsDir() && entry.Name() == "node_modules":
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			pages = append(pages, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
