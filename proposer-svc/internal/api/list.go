package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"blindseq/kit/requestid"
	"blindseq/proposer-svc/queue"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
)

// How many requests a page has.
const (
	defaultListed = 50
	maxListed     = 500
)

// ListProposals implements the service: the last one asked for first, then the one current, then those processed.
func (s *Service) ListProposals(ctx context.Context, req *proposalv1.ListProposalsRequest) (*proposalv1.ListProposalsResponse, error) {
	after, err := fromToken(req.GetPageToken())
	if err != nil {
		return nil, fmt.Errorf("list proposals: %w: %w", ErrBadRequest, err)
	}
	size, recent := listed(req.GetPageSize()), maxListed
	withLimit := req.GetPageSize() == 0 && after == ""
	if withLimit {
		size = listed(req.GetLimit())
	}
	if after == "" { // one more says whether there is another page
		recent = min(size+1, maxListed)
	}
	waiting, processed, err := s.queue.List(ctx, recent)
	if err != nil {
		return nil, err
	}
	if withLimit { // it is the limit of those processed
		size += len(waiting)
	}
	slices.Reverse(waiting)
	requests, more := page(append(waiting, processed...), after, size)
	res := &proposalv1.ListProposalsResponse{}
	for _, r := range requests {
		res.Requests = append(res.Requests, toProto(r))
	}
	if more {
		res.NextPageToken = toToken(requests[len(requests)-1].ID)
	}
	return res, nil
}

func listed(asked uint32) int {
	if asked == 0 {
		return defaultListed
	}
	return int(min(asked, maxListed))
}

// page returns so many requests that come after one, and whether there are more. Requests come and go at the ends of the list alone, newest
// first, so a page goes on where the one before ended. When that one is gone, so are those after it.
func page(all []queue.Request, after string, size int) (some []queue.Request, more bool) {
	if after != "" {
		i := slices.IndexFunc(all, func(r queue.Request) bool { return r.ID == after })
		if i < 0 {
			return nil, false
		}
		all = all[i+1:]
	}
	return all[:min(size, len(all))], size < len(all)
}

// toToken makes the token of the page after a request. Its form is nobody's but this file's.
func toToken(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// fromToken returns the request after which a page begins, none for the first page.
func fromToken(token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	id, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = requestid.Valid(string(id))
	}
	if err != nil {
		return "", fmt.Errorf("page_token: it is none that was returned: %w", err)
	}
	return string(id), nil
}
