module blindseq/devnet

go 1.26.0
