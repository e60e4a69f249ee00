"""``securechat demo``: a whole conversation over a real relay, told step by step."""
