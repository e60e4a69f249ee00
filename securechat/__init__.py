"""securechat: group chat through a relay that can read nothing."""
