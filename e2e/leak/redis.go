package leak

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Commands are the commands that a Redis server received.
type Commands struct {
	conn net.Conn
	done chan struct{}

	mu    sync.Mutex
	plain bytes.Buffer
}

// quoted is an argument as MONITOR writes it.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// Monitor keeps all commands from when it returns.
func Monitor(ctx context.Context, address string) (*Commands, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("monitor redis: %w", err)
	}
	lines := bufio.NewReader(conn)
	_, err = conn.Write([]byte("MONITOR\r\n"))
	if err == nil {
		var answer string
		if answer, err = lines.ReadString('\n'); err == nil && answer != "+OK\r\n" {
			err = fmt.Errorf("answer %q", answer)
		}
	}
	if err != nil {
		_ = conn.Close() // of no use
		return nil, fmt.Errorf("monitor redis: %w", err)
	}
	c := &Commands{conn: conn, done: make(chan struct{})}
	go c.read(lines)
	return c, nil
}

func (c *Commands) read(lines *bufio.Reader) {
	defer close(c.done)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		c.mu.Lock()
		for _, argument := range quoted.FindAllString(line, -1) {
			if text, err := strconv.Unquote(argument); err == nil { // Redis quotes as Go does
				argument = text
			}
			c.plain.WriteString(argument)
			c.plain.WriteByte('\n')
		}
		c.mu.Unlock()
	}
}

// All returns the arguments of all commands so far, as they were before MONITOR quoted them.
func (c *Commands) All() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.plain.Bytes())
}

// Close ends it.
func (c *Commands) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Values returns all keys of a Redis server with all that is in them.
func Values(ctx context.Context, rdb redis.UniversalClient) ([]byte, error) {
	var all bytes.Buffer
	keys := rdb.Scan(ctx, 0, "*", 100).Iterator()
	for keys.Next(ctx) {
		value, err := value(ctx, rdb, keys.Val())
		if err != nil {
			return nil, fmt.Errorf("read redis key %s: %w", keys.Val(), err)
		}
		fmt.Fprintf(&all, "%s\n%s\n", keys.Val(), value) // %s writes maps and lists with the bytes as they are
	}
	if err := keys.Err(); err != nil {
		return nil, fmt.Errorf("read redis keys: %w", err)
	}
	return all.Bytes(), nil
}

func value(ctx context.Context, rdb redis.UniversalClient, key string) (v any, err error) {
	kind, err := rdb.Type(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	switch kind {
	case "none": // expired meanwhile
		return "", nil
	case "string":
		v, err = rdb.Get(ctx, key).Result()
	case "hash":
		v, err = rdb.HGetAll(ctx, key).Result()
	case "list":
		v, err = rdb.LRange(ctx, key, 0, -1).Result()
	case "set":
		v, err = rdb.SMembers(ctx, key).Result()
	case "zset":
		v, err = rdb.ZRange(ctx, key, 0, -1).Result()
	case "stream":
		v, err = rdb.XRange(ctx, key, "-", "+").Result()
	default:
		err = fmt.Errorf("unknown type %s", kind)
	}
	if err == redis.Nil { //nolint:errorlint // expired between the two commands
		return "", nil
	}
	return v, err
}
