package failpoint

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Serve is the environment with which a program built by Build serves its steps on addr.
func Serve(addr string) []string { return []string{"GOFAIL_HTTP=" + addr} }

// Armed is the environment with which a step is armed from the first moment.
func Armed(name string) string { return "GOFAIL_FAILPOINTS=" + name + "=" + halt }

// halt stops everyone who comes to the step, for longer than any test: a signal comes before.
const halt = "sleep(600000)"

// Client arms the steps of one running program.
type Client struct {
	URL string // http://host:port
}

// Arm makes every goroutine that reaches a step stop there.
func (c Client) Arm(ctx context.Context, name string) error { return c.set(ctx, name, halt) }

// ArmOnce makes the first goroutine that reaches a step stop there for a while, with any others that reach it meanwhile.
func (c Client) ArmOnce(ctx context.Context, name string, d time.Duration) error {
	return c.set(ctx, name, fmt.Sprintf("1*sleep(%d)", d.Milliseconds()))
}

// Fail makes a step that can fail return an error with this text.
func (c Client) Fail(ctx context.Context, name, text string) error {
	return c.set(ctx, name, fmt.Sprintf("return(%q)", text))
}

// Give makes a step that takes a number work with this one, until Disarm.
func (c Client) Give(ctx context.Context, name string, n int) error {
	return c.set(ctx, name, fmt.Sprintf("return(%d)", n))
}

// Disarm makes a step do nothing again.
func (c Client) Disarm(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodDelete, name, "")
	return err
}

func (c Client) set(ctx context.Context, name, term string) error {
	_, err := c.do(ctx, http.MethodPut, name, term)
	return err
}

// Reached waits until a goroutine has reached an armed step. It polls, because a step sends no notification.
func (c Client) Reached(ctx context.Context, name string) error {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		text, err := c.do(ctx, http.MethodGet, name+"/count", "")
		if err == nil {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				return nil
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("step %s was not reached: %w; last: %w", name, ctx.Err(), err)
		}
	}
}

func (c Client) do(ctx context.Context, method, name, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+"/"+name, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("failpoint %s: %w", name, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("failpoint %s: %s: %s", name, resp.Status, answer)
	}
	return string(answer), err
}
