module plugins/{{name}}

go 1.24
