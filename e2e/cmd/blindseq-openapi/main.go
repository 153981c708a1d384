// Command blindseq-openapi converts an OpenAPI 2.0 document (standard input) to OpenAPI 3.0 (standard output). protoc-gen-openapiv2 makes
// the first from the contracts. Its sibling for version 3 is alpha, and reads neither gateway.yaml nor openapi.yaml.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "blindseq-openapi:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var old openapi2.T
	if err := json.NewDecoder(in).Decode(&old); err != nil {
		return fmt.Errorf("read the OpenAPI 2.0 document: %w", err)
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return fmt.Errorf("convert to OpenAPI 3.0: %w", err)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			correct(op)
		}
	}
	for _, scheme := range doc.Components.SecuritySchemes {
		scheme.Value = openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").WithDescription(scheme.Value.Description)
	}
	for _, schema := range doc.Components.Schemas {
		for _, property := range schema.Value.Properties {
			enumOfItems(property.Value)
		}
	}
	if err := doc.Validate(context.Background()); err != nil {
		return fmt.Errorf("validate the OpenAPI 3.0 document: %w", err)
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write the OpenAPI 3.0 document: %w", err)
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

// correct says of an operation what version 2 cannot: no body is the same as an empty object, a refusal is JSON even where the answer is a
// stream, and 204 has no content.
func correct(op *openapi3.Operation) {
	if op.RequestBody != nil {
		op.RequestBody.Value.Required = false
		delete(op.RequestBody.Value.Extensions, "x-originalParamName")
	}
	for status, response := range op.Responses.Map() {
		switch status {
		case "200":
		case "204":
			response.Value.Content = nil
		default:
			for _, media := range response.Value.Content {
				response.Value.Content = openapi3.Content{"application/json": media}
			}
		}
	}
}

// enumOfItems moves the values of a list to its items: protoc-gen-openapiv2 writes them at the list.
func enumOfItems(schema *openapi3.Schema) {
	if schema != nil && schema.Type.Is("array") && len(schema.Enum) > 0 {
		schema.Items.Value.Enum, schema.Enum = schema.Enum, nil
	}
}
