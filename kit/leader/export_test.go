package leader

import "context"

// AsideForT steps aside from a term that is made up.
func (a *Aside) AsideForT() error {
	term := &asideTerm{end: func(error) {}, ended: make(chan struct{})}
	close(term.ended)
	a.mu.Lock()
	a.term = term
	a.mu.Unlock()
	return a.Handover(context.Background())
}
