"""
The house rules that a machine can check: what may import what, and what the README promises.

Lower floors never import higher ones, so that what members know can be read without Twisted in
mind, and the relay can be read without a key in reach.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import securechat

PACKAGE = Path(securechat.__file__).parent
REPOSITORY = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "ground": {"ground"},
    "log": {"ground", "log"},
    "group": {"ground", "log", "group"},
    "relay": {"ground", "relay", "log"},
    "client": {"ground", "group", "log", "client"},
    "testing": {"ground", "group", "log", "client", "relay"},
    "cli": {"ground", "group", "log", "client", "relay", "cli"},
}
"""Which floor may import which. ``__init__`` re-exports the embedding API and is exempt."""

LOG = {f"securechat.group.{name}" for name in ("detail", "entry", "log", "roster", "rules")}
"""What the relay reads of the group: the membership log, which holds no key."""

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

BELOW_TWISTED = {"ground", "log", "group"}
NETWORK = {"OpenSSL", "click", "service_identity", "twisted", "zope"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, but for ``securechat`` itself: dotted name and syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "securechat":
            yield name, ast.parse(path.read_text("utf-8"))


MODULES = dict(modules())
PACKAGES = {path.parent.name for path in PACKAGE.glob("*/*.py")}


def imports(tree: ast.Module) -> set[str]:
    """Dotted names of all that *tree* imports, wherever and for whatever in the file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level, "relative imports hide the floor"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def ours(tree: ast.Module) -> set[str]:
    """The modules of securechat that *tree* imports: for a name in a module, the module."""
    return {
        name if name in MODULES else name.rpartition(".")[0]
        for name in imports(tree)
        if name.partition(".")[0] == "securechat"
    }


def floor(module: str) -> str:
    """The floor of the house that *module* is on, or the name of a package that is on none."""
    _, _, inner = module.partition(".")
    top, _, _ = inner.partition(".")
    if module in LOG:
        return "log"
    if top in PACKAGES or top in MAY_IMPORT:
        return top
    return {"": "securechat itself", "__main__": "cli"}.get(top, "ground")


class FloorTests(SynchronousTestCase):
    """What may import what."""

    def test_every_package_has_its_floor(self) -> None:
        """A new package says here which others it may import."""
        for module in MODULES:
            self.assertIn(floor(module), MAY_IMPORT, f"{module} is on no floor")

    def test_no_floor_imports_a_higher_one(self) -> None:
        """Ground, group, the two wings, command: and neither wing imports the other."""
        for module, tree in MODULES.items():
            for imported in ours(tree) - {"securechat.group"}:
                allowed = MAY_IMPORT.get(floor(module), set())
                self.assertIn(floor(imported), allowed, f"{module} imports {imported}")

    def test_the_cryptography_of_a_room_knows_no_network(self) -> None:
        """Ground and group are sans-I/O: neither Twisted nor TLS is imported there."""
        for module, tree in MODULES.items():
            if floor(module) in BELOW_TWISTED:
                packages = {name.partition(".")[0] for name in imports(tree)}
                self.assertEqual(packages & NETWORK, set(), module)

    def test_the_package_of_the_group_imports_nothing(self) -> None:
        """To import the log does not import what holds keys: ``group/__init__`` is bare."""
        self.assertEqual(imports(MODULES["securechat.group"]), set())

    def test_only_the_command_takes_the_global_reactor(self) -> None:
        """In the library the reactor is always an argument."""
        for module, tree in MODULES.items():
            if floor(module) != "cli":
                self.assertNotIn("twisted.internet.reactor", imports(tree), module)

    def test_every_library_is_named(self) -> None:
        """What the package imports is a direct dependency, not the luck of an indirect one."""
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
        optional = [line for lines in project["optional-dependencies"].values() for line in lines]
        named = {
            line.partition(">=")[0].partition("[")[0]
            for line in [*project["dependencies"], *optional]
        }
        distributions = packages_distributions()
        for module, tree in MODULES.items():
            packages = {name.partition(".")[0] for name in imports(tree)}
            for package in packages - sys.stdlib_module_names - {"securechat"}:
                providers = {
                    name.lower().replace("_", "-") for name in distributions.get(package, [])
                }
                self.assertTrue(providers & named, f"{module} imports {package}")


class TestsTests(SynchronousTestCase):
    """How tests are written."""

    def test_every_test_states_a_behaviour(self) -> None:
        """Each test's docstring says what is so, for who reads only those."""
        for path in sorted(Path(__file__).parent.rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, FUNCTION) and node.name.startswith("test_"):
                    place = f"{path.name}, line {node.lineno}: {node.name}"
                    self.assertIsNotNone(ast.get_docstring(node), place)


class PromiseTests(SynchronousTestCase):
    """What the README tells people to type is what is tested."""

    SHOW = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/securechat demo"
    TEST = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox"

    def test_the_readme_names_both_commands(self) -> None:
        """Each command is one line of the README that can be copied as it stands."""
        lines = (REPOSITORY / "README.md").read_text("utf-8").splitlines()
        self.assertIn(self.SHOW, lines)
        self.assertIn(self.TEST, lines)

    def test_continuous_integration_runs_the_command_of_the_readme(self) -> None:
        """What is green there is green for who types the README's line."""
        lines = (REPOSITORY / ".ci" / "run").read_text("utf-8").splitlines()
        self.assertIn(self.TEST, [line.strip() for line in lines])
