module behaviour

go 1.24
