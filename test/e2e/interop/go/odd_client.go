package main

import "flag"

func oddClient(flags *flag.FlagSet, args []string) error { return nil }
func oddServer(flags *flag.FlagSet, args []string) error { return nil }
