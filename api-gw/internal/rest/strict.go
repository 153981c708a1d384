package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"blindseq/api-gw/internal/gateway"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// check refuses a request that the OpenAPI document does not describe, and names the culprit. grpc-gateway would
// ignore unknown query parameters and lose the details of its own refusals.
func (rt route) check(r *http.Request, body []byte) error {
	for _, name := range rt.pathParams {
		if err := checkText(rt.request.Fields().ByName(protoreflect.Name(name)), r.PathValue(name)); err != nil {
			return err
		}
	}
	if err := rt.checkQuery(r); err != nil {
		return err
	}
	if !rt.body {
		if len(body) > 0 {
			return status.Errorf(codes.InvalidArgument, "%s %s takes no body", rt.method, rt.path)
		}
		return nil
	}
	return checkBody(rt.request, body)
}

func (rt route) checkQuery(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return status.Errorf(codes.InvalidArgument, "read query: %v", err)
	}
	for name, values := range r.URL.Query() {
		field := rt.request.Fields().ByName(protoreflect.Name(name))
		switch {
		case field == nil || rt.body || slices.Contains(rt.pathParams, name):
			return gateway.Invalid(name, "unknown query parameter")
		case len(values) > 1:
			return gateway.Invalid(name, "given more than once")
		}
		if err := checkText(field, values[0]); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses a value in a path or query that is not one of its field, for the kinds that occur there.
func checkText(field protoreflect.FieldDescriptor, text string) error {
	bits := 64
	switch field.Kind() {
	case protoreflect.Uint32Kind:
		bits = 32
	case protoreflect.Uint64Kind:
	default:
		return nil
	}
	if strings.Trim(text, "0123456789") != "" || text == "" {
		return gateway.Invalid(string(field.Name()), fmt.Sprintf("%.40q is not a whole number from 0 on, in decimal", text))
	}
	if _, err := strconv.ParseUint(text, 10, bits); err != nil {
		return gateway.Invalid(string(field.Name()), fmt.Sprintf("%.40q is above %d", text, uint64(math.MaxUint64)>>(64-bits)))
	}
	return nil
}

// checkBody refuses a body that is not exactly one JSON object with the fields of the message, each once and of its
// type. No body is an empty message.
func checkBody(message protoreflect.MessageDescriptor, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	fields, err := objectFields(body)
	if err != nil {
		return err
	}
	seen := map[protoreflect.Name]bool{}
	for _, f := range fields {
		field := message.Fields().ByName(protoreflect.Name(f.name))
		if field == nil {
			field = message.Fields().ByJSONName(f.name)
		}
		if field == nil {
			return gateway.Invalid(clip(f.name), "unknown field")
		}
		if seen[field.Name()] {
			return gateway.Invalid(f.name, "given more than once")
		}
		seen[field.Name()] = true
		one := slices.Concat([]byte(`{"`), []byte(f.name), []byte(`":`), f.value, []byte(`}`))
		if err := protojson.Unmarshal(one, dynamicpb.NewMessage(message)); err != nil {
			return gateway.Invalid(f.name, fmt.Sprintf("want %s, got %s", wanted(field), clip(string(f.value))))
		}
	}
	if err := protojson.Unmarshal(body, dynamicpb.NewMessage(message)); err != nil { // text that is no UTF-8, for one
		return status.Errorf(codes.InvalidArgument, "malformed JSON: %s", clip(strings.TrimPrefix(err.Error(), "proto:")))
	}
	return nil
}

type jsonField struct {
	name  string
	value json.RawMessage
}

// objectFields reads the members of the one object that text must be.
func objectFields(text []byte) ([]jsonField, error) {
	malformed := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("unexpected end")
		}
		return status.Errorf(codes.InvalidArgument, "malformed JSON: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil {
		return nil, malformed(err)
	} else if open != json.Delim('{') {
		return nil, status.Error(codes.InvalidArgument, "the body must be a JSON object")
	}
	var out []jsonField
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, malformed(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, malformed(err)
		}
		text, _ := name.(string) // within an object, every other token is a name
		out = append(out, jsonField{text, value})
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, status.Error(codes.InvalidArgument, "malformed JSON: data after the object")
	}
	return out, nil
}

// wanted says what a field takes.
func wanted(field protoreflect.FieldDescriptor) string {
	if m := field.Message(); m != nil && m.FullName() == "google.protobuf.Timestamp" {
		return "an RFC 3339 time, such as 2026-01-02T03:04:05Z,"
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.StringKind:
		return "a string"
	}
	return "a value of type " + field.Kind().String()
}

// clip makes what a caller sent fit for an error's text.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(text); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return text
}
