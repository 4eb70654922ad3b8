"""Proofs that the books are whole, and the erasure that leaves the proof standing."""
