package api

import (
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/internal/demand"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/internal/steps"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/logrecord"
	"blindseq/producer-svc/section"

	"google.golang.org/grpc/codes"
)

// StatusCodes maps the domain's errors. ErrHalted and what needs a person are FAILED_PRECONDITION: repeating does not help.
func StatusCodes() map[error]codes.Code {
	return map[error]codes.Code{
		ErrBadRequest:                 codes.InvalidArgument,
		ErrNotLeading:                 codes.Unavailable,
		contents.ErrMoving:            codes.Unavailable,
		demand.ErrNotServing:          codes.Unavailable,
		demand.ErrTooMany:             codes.ResourceExhausted,
		demand.ErrOtherBody:           codes.AlreadyExists,
		section.ErrTimestampDecreased: codes.InvalidArgument,
		section.ErrTimestampAhead:     codes.InvalidArgument,
		section.ErrForgotten:          codes.AlreadyExists,
		logrecord.ErrUnknownDelayed:   codes.FailedPrecondition,
		sections.ErrHalted:            codes.FailedPrecondition,
		blueprint.ErrNotApplied:       codes.NotFound,
		feed.ErrAhead:                 codes.OutOfRange,
		feed.ErrZero:                  codes.InvalidArgument,
		blueprint.ErrCannotSign:       codes.FailedPrecondition,
		replicate.ErrNotLeading:       codes.Unavailable,
		replicate.ErrUnreplicated:     codes.Unavailable,
		replicate.ErrStranger:         codes.FailedPrecondition,
		replicate.ErrBadRequest:       codes.InvalidArgument,
		txstore.ErrEnded:              codes.AlreadyExists,
		txstore.ErrFull:               codes.ResourceExhausted,
		steps.ErrTooMany:              codes.ResourceExhausted,
	}
}
