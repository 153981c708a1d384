package inspect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal/committee"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// decodeJSON reads an object as protobuf's JSON, or as REST writes it: bytes in hex, names of enums in lower case, and a
// preblock's content beside its certificate instead of below it.
func decodeJSON(b []byte, kind string) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	fields = unwrap(fields)
	if isCommittee := fields["members"] != nil; kind == KindCommittee || kind == KindAuto && isCommittee {
		return decodeCommittee(b)
	}
	if _, isStep := fields["step"].(string); isStep && kind == KindAuto {
		return decodeStep(fields)
	}
	if isProof := fields["listHash"] != nil; kind == KindProof || kind == KindAuto && isProof {
		return decodeProof(fields)
	}
	for _, candidate := range candidates(kind) {
		if o := fromFields(candidate, fields); o != nil {
			return o, nil
		}
	}
	return nil, ErrUnknown
}

func decodeCommittee(b []byte) (object, error) {
	c := new(committee.Committee)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return shown{&committeeObject{c}}, nil
}

// unwrap takes an object out of an answer, or out of a step of a transaction, that has it as a field.
func unwrap(fields map[string]any) map[string]any {
	names := []string{KindPreblock, KindEvidence, "result", "params", "step", KindProof}
	if _, isStep := fields["step"].(string); isStep {
		names = []string{KindProof} // its preblock has no outcomes yet
	}
	for _, name := range names {
		if inner, ok := fields[name].(map[string]any); ok {
			return unwrap(inner)
		}
	}
	return fields
}

func fromFields(m proto.Message, fields map[string]any) object {
	descriptor := m.ProtoReflect().Descriptor()
	b, err := json.Marshal(canonical(descriptor, lift(descriptor, fields)))
	if err != nil || (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m) != nil {
		return nil
	}
	return objectOf(m)
}

// lift puts the fields of a content that stand beside its preblock's into a content.
func lift(d protoreflect.MessageDescriptor, fields map[string]any) map[string]any {
	content := d.Fields().ByName("content")
	if content == nil || fields["content"] != nil {
		return fields
	}
	out, inner := map[string]any{}, map[string]any{}
	for name, value := range fields {
		if field(content.Message(), name) != nil {
			inner[name] = value
		} else {
			out[name] = value
		}
	}
	if len(inner) > 0 {
		out["content"] = inner
	}
	return out
}

func field(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByJSONName(name); f != nil {
		return f
	}
	return d.Fields().ByTextName(name)
}

// canonical rewrites an object to what protobuf's JSON has.
func canonical(d protoreflect.MessageDescriptor, fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for name, value := range fields {
		if f := field(d, name); f != nil {
			value = canonicalValue(f, value)
		}
		out[name] = value
	}
	return out
}

func canonicalValue(f protoreflect.FieldDescriptor, value any) any {
	switch v := value.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = canonicalValue(f, v[i])
		}
		return out
	case map[string]any:
		if f.Message() != nil {
			return canonical(f.Message(), v)
		}
	case string:
		if f.Kind() == protoreflect.BytesKind {
			return canonicalBytes(v)
		}
		if f.Kind() == protoreflect.EnumKind {
			return canonicalEnum(f.Enum(), v)
		}
	}
	return value
}

// canonicalBytes leaves base64 as it is: that of a hash or a signature ends with "=" or is too long to be hex by chance.
func canonicalBytes(text string) string {
	if strings.HasPrefix(text, "0x") {
		if b, ok := input.Hex([]byte(text)); ok {
			return base64.StdEncoding.EncodeToString(b)
		}
	}
	return text
}

func canonicalEnum(e protoreflect.EnumDescriptor, text string) string {
	for i := range e.Values().Len() {
		if name := string(e.Values().Get(i).Name()); strings.HasSuffix(name, "_"+strings.ToUpper(text)) {
			return name
		}
	}
	return text
}
