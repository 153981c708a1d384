package sim

// disk is a file of records. A crash loses what was not synced: the machine goes down with the process.
type disk[T any] struct {
	recs   []T
	synced int
}

// append writes records; they are durable once sync returns.
func (d *disk[T]) append(v T) { d.recs = append(d.recs, v) }

func (d *disk[T]) sync() { d.synced = len(d.recs) }

func (d *disk[T]) crash() { d.recs = d.recs[:d.synced] }

func (d *disk[T]) last() uint64 { return uint64(len(d.recs)) }

// get returns record number, the first being 1.
func (d *disk[T]) get(number uint64) (v T, ok bool) {
	if number == 0 || number > d.last() {
		return v, false
	}
	return d.recs[number-1], true
}
