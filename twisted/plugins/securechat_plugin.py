"""
What lets ``twistd securechat`` find the relay.
"""

from __future__ import annotations

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import IPlugin
from twisted.python.usage import Options
from zope.interface import implementer


@implementer(IPlugin, IServiceMaker)
class RelayMaker:
    """Takes the reactor that twistd has installed, and imports nothing before twistd asks."""

    tapname = "securechat"
    description = "A relay for securechat: group chat that the relay cannot read."

    def options(self) -> Options:
        from twisted.internet import reactor

        from securechat.relay.options import RelayOptions

        return RelayOptions(reactor)

    def makeService(self, options: Options) -> IService:
        from securechat.relay.daemon import make_service
        from securechat.relay.options import RelayOptions

        assert isinstance(options, RelayOptions)
        return make_service(options)


relay = RelayMaker()
