package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strings"

	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// route is one operation of the OpenAPI document and the call it stands for.
type route struct {
	method, path string
	pathParams   []string
	request      protoreflect.MessageDescriptor
	body         bool   // the request comes as the body; else as query and path parameters
	call         string // its name
	streams      bool
}

// routesOf reads the operations of an OpenAPI document, sorted.
func routesOf(document string) ([]route, error) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	var out []route
	for path, operations := range doc.Paths {
		for method, op := range operations {
			rt, err := newRoute(strings.ToUpper(method), path, op.OperationID)
			if err != nil {
				return nil, err
			}
			out = append(out, rt)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].path+out[i].method < out[j].path+out[j].method })
	return out, nil
}

func newRoute(method, path, operation string) (route, error) {
	service := gatewayv1.File_blindseq_gateway_v1_gateway_service_proto.Services().ByName("GatewayService")
	call := service.Methods().ByName(protoreflect.Name(strings.TrimPrefix(operation, "GatewayService_")))
	if call == nil {
		return route{}, fmt.Errorf("read OpenAPI document: %s %s names %q, which is not a call", method, path, operation)
	}
	return route{
		method: method, path: path, pathParams: paramsOf(path), request: call.Input(), call: string(call.Name()),
		body: method == http.MethodPost, streams: call.IsStreamingServer(),
	}, nil
}

// paramsOf returns the names in {braces} of a path.
func paramsOf(path string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		out = append(out, m[1])
	}
	return out
}
