package devrpc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// checkArrays refuses data in which an array of a fixed length has another one: geth hashes it all the same, and no contract could
// verify the signature. Its text ends as
// web3.py's tests want it.
func checkArrays(typed apitypes.TypedData) error {
	return checkStruct(typed.Types, typed.PrimaryType, typed.Message)
}

func checkStruct(all apitypes.Types, name string, value map[string]any) error {
	for _, field := range all[name] {
		if err := checkValue(all, field.Type, value[field.Name]); err != nil {
			return err
		}
	}
	return nil
}

// checkValue descends only where the value does too, so that a type that holds itself ends.
func checkValue(all apitypes.Types, name string, value any) error {
	switch value := value.(type) {
	case map[string]any:
		return checkStruct(all, name, value)
	case []any:
		open := strings.LastIndex(name, "[")
		if open < 0 || !strings.HasSuffix(name, "]") {
			return nil // geth refuses it
		}
		if length := name[open+1 : len(name)-1]; length != "" && length != strconv.Itoa(len(value)) {
			return fmt.Errorf("wrong length: Expected %s items for array type %s, got %d items", length, name, len(value))
		}
		for _, item := range value {
			if err := checkValue(all, name[:open], item); err != nil {
				return err
			}
		}
	}
	return nil
}
