"""Judges of golds that our rules do not decide: how they are named and asked, and those that we bring."""
