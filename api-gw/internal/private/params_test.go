package private

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestParametersInAllTheirForms(t *testing.T) {
	none := int64(-1)
	yes, no := true, false
	for raw, want := range map[string]struct {
		seconds int64
		delayed *bool
	}{
		``: {none, nil}, `null`: {none, nil}, `[]`: {none, nil}, `[null]`: {none, nil}, `{}`: {none, nil}, ` [ { } ] `: {none, nil},
		`"2020-01-01T00:00:05Z"`:              {1577836805, nil},
		`"2020-01-01T01:00:05.9+01:00"`:       {1577836805, nil},
		`"1577836805"`:                        {1577836805, nil},
		`"0"`:                                 {0, nil},
		`["2020-01-01T00:00:05Z"]`:            {1577836805, nil},
		`{"timestamp":"1577836805"}`:          {1577836805, nil},
		`{"timestamp":null}`:                  {none, nil},
		`{"with_delayed_transactions":false}`: {none, &no},
		`[{"timestamp":"2020-01-01T00:00:05Z","with_delayed_transactions":true}]`: {1577836805, &yes},
	} {
		got, err := DecodeParams(json.RawMessage(raw))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if seconds := got.GetTimestamp().GetSeconds(); (got.Timestamp == nil) != (want.seconds == none) || got.Timestamp != nil && seconds != want.seconds {
			t.Errorf("%s: got %v", raw, got.Timestamp)
		}
		if d := got.WithDelayedTransactions; (d == nil) != (want.delayed == nil) || d != nil && *d != *want.delayed {
			t.Errorf("%s: got %v", raw, d)
		}
	}
}

func TestOtherParametersAreRefused(t *testing.T) {
	for _, raw := range []string{
		`5`, `true`, `-1`, `""`, `" "`, `"now"`, `"-5"`, `"1e9"`, `"0x5"`, `"99999999999999999999"`, `"253402300800"`,
		`"1969-12-31T23:59:59Z"`, `"2020-01-01"`, `["a","b"]`, `[[]]`, `[5]`, `{"timestamp":5}`, `{"timestamp":["1"]}`,
		`{"time":"5"}`, `{"with_delayed_transactions":"yes"}`, `{"timestamp":"5"`, `["5"`,
	} {
		if got, err := DecodeParams(json.RawMessage(raw)); !errors.Is(err, ErrParams) {
			t.Errorf("%s: got %v, %v", raw, got, err)
		}
	}
}

func FuzzDecodeParams(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `"2020-01-01T00:00:05Z"`, `"1577836805"`, `["5"]`, `{"timestamp":"5","with_delayed_transactions":false}`,
		`{"timestamp":null}`, `[{}]`, `"-62135596801"`, `"9999-12-31T23:59:59Z"`, `[[[[`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := DecodeParams(json.RawMessage(raw))
		if err != nil {
			if !errors.Is(err, ErrParams) {
				t.Fatalf("an untyped error: %v", err)
			}
			return
		}
		if at := got.Timestamp; at != nil && (at.CheckValid() != nil || at.Nanos != 0 || at.Seconds < 0 || at.Seconds > maxSeconds) {
			t.Fatalf("%q gave the timestamp %v", raw, at)
		}
	})
}
