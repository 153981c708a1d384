package main

import "testing"

func TestCommandLineMistakesExitWithTwo(t *testing.T) {
	for _, args := range [][]string{{}, {"nonesuch"}, {"sequencer", "--nonesuch"}, {"sequencer", "--first-number", "0"}} {
		if code := run(args); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestHelpOfEveryCommandExitsWithZero(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"--version"}, {"sequencer", "--help"}} {
		if code := run(args); code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
