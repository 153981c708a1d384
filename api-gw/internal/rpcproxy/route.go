package rpcproxy

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/roles"

	"github.com/valyala/fasthttp"
)

// route is the way of joined calls to a producer. Its client takes a fraction of the processor time of net/http's, and reads answers
// whole; what may be long or has to be retried goes over an http.Transport.
type route struct {
	host string
	over *fasthttp.Client
}

// short makes the connections of routes. As for transport, the server has one of the roles.
func short(certificates *certs.Source, servers ...roles.Role) *fasthttp.Client {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: keepAlive}
	dial := dialer.DialContext
	if certificates != nil {
		dial = certificates.DialTLS(dialer.DialContext, servers...)
	}
	return &fasthttp.Client{
		Dial: func(address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 2*dialTime)
			defer cancel()
			return dial(ctx, "tcp", address)
		},
		MaxConnsPerHost:          maxIdle,
		MaxIdleConnDuration:      idleTime,
		MaxResponseBodySize:      maxJoinedAnswer,
		NoDefaultUserAgentHeader: true,
	}
}

// ask sends a request for a client until the deadline. The error is errAlone when there is no short answer.
func (r route) ask(body []byte, client string, deadline time.Time) ([]byte, http.Header, error) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.Header.SetMethod(http.MethodPost)
	req.SetRequestURI("http://" + r.host + "/") // TLS is the dialer's
	req.Header.SetContentType("application/json")
	req.Header.SetUserAgent(client)
	req.SetBodyRaw(body)
	switch err := r.over.DoDeadline(req, res, deadline); {
	case errors.Is(err, fasthttp.ErrTimeout), errors.Is(err, fasthttp.ErrDialTimeout):
		return nil, nil, context.DeadlineExceeded
	case err != nil, res.StatusCode() != http.StatusOK: // also a kept connection that the producer has closed
		return nil, nil, errAlone
	}
	return bytes.Clone(res.Body()), http.Header{headHeader: {string(res.Header.Peek(headHeader))}}, nil
}
