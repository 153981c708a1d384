package cluster

import (
	"context"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Replica is a further producer-svc.
type Replica struct {
	Name     string // of its process
	Observer bool   // it never leads, and does not have the sequencer's key
}

// program is what a process runs.
func (c *Cluster) program(name string) string {
	for _, r := range c.o.Replicas {
		if r.Name == name {
			return Producer
		}
	}
	return name
}

// names are all processes but Redis, in the order in which they need each other.
func (c *Cluster) names() []string {
	names := Services()
	for _, r := range c.o.Replicas {
		names = append(names, r.Name)
	}
	return names
}

// SequencerKey is the file of the key that all producers sign with.
func (c *Cluster) SequencerKey() string {
	if len(c.o.Replicas) == 0 {
		return filepath.Join(c.DataDir(Producer), "sequencer.key")
	}
	return filepath.Join(c.dir, "sequencer.key")
}

// replicaArgs is what producers are told when there are several. The first makes the key.
func (c *Cluster) replicaArgs(name string) []string {
	for _, r := range c.o.Replicas {
		switch {
		case name == Producer:
			return []string{"--sequencer-key-file", c.SequencerKey(), "--create-sequencer-key"}
		case r.Name == name && r.Observer:
			return []string{"--role", "observer"}
		case r.Name == name:
			return []string{"--sequencer-key-file", c.SequencerKey()}
		}
	}
	return nil
}

// startReplicas starts the further producers: the first one leads, and has made the key.
func (c *Cluster) startReplicas(ctx context.Context) error {
	wait, ctx := errgroup.WithContext(ctx)
	for _, r := range c.o.Replicas {
		p := c.procs[r.Name]
		if err := p.Start(); err != nil {
			return err
		}
		wait.Go(func() error { return p.AwaitReady(ctx) })
	}
	return wait.Wait()
}
