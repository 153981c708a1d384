// Package openapi holds the description of the public REST API, generated from gateway_service.proto.
package openapi

import _ "embed"

//go:embed blindseq.openapi.json
var document string

// Document is the API in OpenAPI 3.0, JSON.
func Document() string { return document }
