package sequencer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"blindseq/kit/wal"
)

// TakeBack is an operator's command for a sequencer without keyholders whose last number was fixed wrongly, so that production halts.
// It copies the log without that number into a new directory, and changes no record in the old one. A producer that has executed the
// number refuses another content for it, so this gives nobody two blocks of one number.
type TakeBack struct {
	DataDir string `help:"Directory of the sequencer, which is stopped. No record in it is changed." required:"" type:"path"`
	To      string `help:"New directory, for the sequencer to start with. It must not exist." required:"" type:"path"`
	Number  uint64 `help:"The last number of the log, which no producer has executed." required:""`
}

var (
	// ErrKeyholdersDecide says that a log is that of a sequencer with keyholders.
	ErrKeyholdersDecide = errors.New("the order has keyholders: what they have decided stays, and of what they have not `dsn-node change-view` makes an end")
	// ErrNotLast says that a number is not the last one.
	ErrNotLast = errors.New("only the last number can be taken back")
)

// Run makes the new directory, whole or not at all.
func (c TakeBack) Run() error {
	if err := c.run(); err != nil {
		return fmt.Errorf("take back number %d: %w", c.Number, err)
	}
	return nil
}

func (c TakeBack) run() (err error) {
	switch _, err := os.Stat(filepath.Join(c.DataDir, "decisions")); {
	case err == nil:
		return ErrKeyholdersDecide
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(c.To); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s: %w", c.To, fs.ErrExist), err)
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "proposals")); err != nil {
		return err // opening would make an empty one
	}
	from, err := wal.Open(filepath.Join(c.DataDir, "proposals"), wal.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if from.Last() != c.Number {
		return fmt.Errorf("%w: that is %d", ErrNotLast, from.Last())
	}
	part := c.To + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := c.copy(from, filepath.Join(part, "proposals")); err != nil {
		return err
	}
	return os.Rename(part, c.To)
}

func (c TakeBack) copy(from *wal.Log, dir string) (err error) {
	to, err := wal.Open(dir, wal.Options{First: from.First()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for number := from.First(); number < c.Number; number++ {
		record, err := from.Read(number)
		if err == nil {
			err = to.Append(number, record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
