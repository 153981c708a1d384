package cluster

import (
	"path/filepath"
	"slices"
)

// Replica is a further producer-svc.
type Replica struct {
	Name     string // of its process
	Observer bool   // it never leads, and does not have the sequencer's key
}

// replicas are the names of the further producers.
func (o *Options) replicas() (names []string) {
	for _, r := range o.Replicas {
		names = append(names, r.Name)
	}
	return names
}

// role is what a process is in the system: a replica is a producer, any other process what it is called.
func (c *Cluster) role(name string) string {
	if name == Observer || slices.Contains(c.o.replicas(), name) {
		return Producer
	}
	if slices.Contains(c.o.Proposers, name) {
		return Proposer
	}
	return name
}

// SequencerKey is the file of the key that all producers sign with.
func (c *Cluster) SequencerKey() string {
	if len(c.o.Replicas) == 0 {
		return filepath.Join(c.DataDir(Producer), "sequencer.key")
	}
	return filepath.Join(c.dir, "sequencer.key")
}

// replicaArgs are the flags of producers when there are several. The first makes the key; observers have none.
func (c *Cluster) replicaArgs(name string) []string {
	if name == Observer {
		return []string{"--role", "observer"}
	}
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
