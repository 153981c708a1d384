// Package dbwrite turns the panics of a database into errors.
package dbwrite

import "fmt"

// Do does a write. Pebble panics when it cannot write its log, a full disk included; here that is an error like any other, so
// that the process can say what it was and end. After an error the database may hold locks that it never gives back: do not
// close it.
func Do(write func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("write to the database: %v", r)
		}
	}()
	return write()
}
