"""
``securechat doctor``: what is wrong, in plain words, and what to do next.

`local` looks at what is on this machine, `remote` at the relay. Both tell a `findings.Report`
what they find, as they find it. Who judges is always the code that a chat uses as well: what
the doctor adds is where it looks, and in which order.
"""
