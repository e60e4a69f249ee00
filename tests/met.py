"""
Which test meets which error: ``python -m tests.met`` runs them, and says which errors
securechat itself has made in each.

An error whose test does not meet it any more, or that no test is named for, fails in
`tests.test_errors`. A new error gets a line here, with a test that is quick and runs in one
process: what another process raises is not seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.trial.reporter import TestResult
from twisted.trial.runner import TestLoader

from securechat.errors import SecureChatError

MET = {
    "EncodingError": "tests.group.test_detail.EncodingTests.test_unknown_types",
    "WireError": "tests.test_wire.PassingTests.test_the_largest",
    "BadSignature": "tests.group.test_entry.SignatureTests.test_an_author_signs_entry_and_tag",
    "BadCiphertext": (
        "tests.adversary.test_handover.Recorder.test_long_term_keys_open_no_recorded_response"
    ),
    "EntryRefused": "tests.client.test_changing.ReformTests.test_against_the_rules",
    "StaleEntry": "tests.group.test_log.AddTests.test_an_entry_that_does_not_stand_on_the_head",
    "UnsupportedVersion": "tests.test_identity.BundleTests.test_versions",
    "BadFingerprint": "tests.cli.test_trusting.AddTests.test_mistyped_group",
    "AddressError": "tests.cli.test_doctor.LocalTests.test_no_address",
    "DamagedInstallation": "tests.test_fingerprint.WordlistTests.test_damaged",
    "NotPrivate": "tests.test_files.FileTests.test_file_open_to_others",
    "FileExists": "tests.test_files.FileTests.test_never_overwrites",
    "DamagedFile": "tests.client.test_known.KnownRoomsTests.test_file_that_holds_something_else",
    "DamagedState": "tests.client.test_state_directory.DamageTests.test_no_database",
    "StateNotKept": "tests.client.test_state_directory.DamageTests.test_changed_while_it_is_open",
    "StateInUse": "tests.client.test_state_crash.LockTests.test_one_at_a_time",
    "NoIdentity": "tests.cli.test_identity.IdTests.test_no_identity",
    "EmptyPassphrase": "tests.cli.test_passphrase.PassphraseTests.test_empty_passphrase",
    "PassphraseNeeded": "tests.test_keyfile.KeyFileTests.test_passphrase_missing_or_superfluous",
    "NotEncrypted": "tests.test_keyfile.KeyFileTests.test_passphrase_missing_or_superfluous",
    "WrongPassphrase": "tests.test_keyfile.KeyFileTests.test_wrong_passphrase",
    "BadPetname": "tests.test_trusted.PetnameTests.test_others",
    "PetnameTaken": "tests.test_trust.StoreTests.test_one_petname_one_identity",
    "AlreadyTrusted": "tests.test_trust.StoreTests.test_one_identity_one_petname",
    "NotTrusted": "tests.test_trust.StoreTests.test_remove_nobody",
    "IdentityRevoked": "tests.test_trust.StoreTests.test_revoked_is_never_added",
    "SuccessorOfRevoked": "tests.test_trust.StoreTests.test_revocation_wins",
    "IdentitySucceeded": (
        "tests.test_trust.StoreTests.test_succeeded_is_not_added_beside_its_successor"
    ),
    "BundleMismatch": "tests.test_trusted.TrustedTests.test_bundle",
    "MessageTooLong": "tests.client.test_membership.SendTests.test_too_long",
    "FateUnknown": (
        "tests.client.test_membership.HeartbeatTests.test_message_that_never_comes_back"
    ),
    "AdmissionRefused": (
        "tests.adversary.test_membership.Rollback.test_snapshot_of_another_roster"
    ),
    "VoucherUnknown": "tests.client.test_joining.StrangerTests.test_warning_comes_at_once",
    "ConnectFailed": "tests.client.test_link.ConnectTests.test_relay_is_not_there",
    "WrongPin": "tests.client.test_tls.WrongRelayTests.test_wrong_pin",
    "WrongName": "tests.client.test_tls.WrongRelayTests.test_wrong_name",
    "UntrustedCertificate": "tests.client.test_tls.WrongRelayTests.test_unknown_authority",
    "NeedsEndpoint": "tests.client.test_endpoint.EndpointTests.test_onion_service",
    "NotARelay": "tests.client.test_protocol.ProofTests.test_what_is_no_line",
    "RelaySilent": "tests.adversary.test_lies.DropTests.test_says_nothing",
    "VersionMismatch": "tests.client.test_protocol.ProofTests.test_relay_of_another_version",
    "ConnectionLost": "tests.client.test_client.ConnectTests.test_in_no_room",
    "NotConnected": "tests.client.test_founding.FoundingTests.test_not_connected",
    "RelayRefused": "tests.client.test_founding.FoundingTests.test_policy_that_is_none",
    "ProofRefused": "tests.adversary.test_contact.FalseRelay.test_banner_changed_on_the_way",
    "RelayBusy": "tests.client.test_founding.FoundingTests.test_limit_of_the_relay",
    "RelayClosing": "tests.client.test_client.ConnectTests.test_relay_shuts_down",
    "Superseded": "tests.client.test_client.ConnectTests.test_superseded",
    "NoSuchRoom": "tests.client.test_joining.RefusalTests.test_each_reason",
    "RoomTaken": "tests.client.test_founding.FoundingTests.test_label_that_is_taken",
    "MayNotFound": (
        "tests.client.test_founding.FoundingTests.test_relay_does_not_let_its_users_found"
    ),
    "StateLost": "tests.client.test_joining.RefusalTests.test_a_member_without_keys",
    "KeysGone": "tests.client.test_rejoining.LostKeysTests.test_stuck",
    "NotAMember": "tests.adversary.test_lies.PastTests.test_claims_that_a_member_is_none",
    "HasLeft": "tests.client.test_departing.LeaveTests.test_what_waits_is_not_sent",
    "WasRemoved": "tests.client.test_rejoining.KeptTests.test_removed_meanwhile",
    "NoSuchMember": "tests.client.test_changing.KickTests.test_nobody_of_that_name",
    "MayNotKick": "tests.client.test_changing.KickTests.test_not_allowed",
    "MayNotReform": "tests.client.test_changing.ReformTests.test_not_allowed",
    "NobodyVouches": ("tests.adversary.test_vouching.ChosenVoucher.test_member_who_may_not_vouch"),
    "RelayForked": "tests.client.test_behind.BehindTests.test_another_past",
    "FoundedAnew": (
        "tests.client.test_known.KnownRoomsTests.test_another_room_is_never_put_in_its_place"
    ),
    "RoomKnown": "tests.client.test_founding.FoundingTests.test_room_that_is_known",
    "AlreadyThere": "tests.client.test_founding.FoundingTests.test_room_that_the_user_is_in",
    "CannotListen": "tests.relay.test_service.ServiceTests.test_what_cannot_be_had_is_said",
    "NoAddress": "tests.relay.test_daemon.DaemonTests.test_other_plain_listeners_are_told_theirs",
    "NoMetrics": "tests.relay.test_daemon.DaemonTests.test_metrics_without_their_library",
    "UnusableCertificate": (
        "tests.relay.test_tls.ServerTLSTests.test_files_that_hold_something_else"
    ),
    "NoHistory": "tests.relay.test_verify.VerifyTests.test_there_is_none",
    "HistoryLocked": "tests.relay.test_sqlite.OpeningTests.test_one_relay_at_a_time",
    "HistoryDamaged": "tests.relay.test_sqlite.OpeningTests.test_nonsense",
    "HistoryForeign": "tests.relay.test_sqlite.OpeningTests.test_a_database_of_others",
    "HistoryVersion": "tests.relay.test_sqlite.OpeningTests.test_a_newer_schema",
    "HistoryFull": "tests.relay.test_sqlite.FailureTests.test_a_full_disk",
    "HistoryFailed": "tests.relay.test_sqlite.FailureTests.test_a_disk_that_cannot_be_written",
    "BackupFailed": "tests.relay.test_verify.BackupTests.test_no_directory",
    "NoTerminal": "tests.cli.test_passphrase.PassphraseTests.test_nobody_to_ask",
    "OtherProfile": "tests.cli.test_identity.ProfileTests.test_profile_of_another_identity",
    "OwnFingerprint": "tests.cli.test_trusting.AddTests.test_own_fingerprint",
    "NeitherFingerprintNorFile": (
        "tests.cli.test_trusting.AddTests.test_neither_fingerprint_nor_file"
    ),
    "NoBundle": "tests.cli.test_trusting.AddTests.test_file_that_is_no_bundle",
    "NoCertificate": ("tests.cli.test_certificates.RevokeTests.test_file_without_a_certificate"),
    "OwnCertificate": "tests.cli.test_certificates.RevokeTests.test_own",
    "IdentityExists": "tests.cli.test_identity.InitTests.test_never_overwrites",
    "NotText": "tests.cli.test_terminal_in_memory.TerminalTests.test_line_that_is_no_text",
    "Undelivered": "tests.cli.test_conversation.ConversationTests.test_end_does_not_wait_for_ever",
    "NothingToSend": "tests.cli.test_send.TextTests.test_nothing",
    "CommandEnded": "tests.cli.test_child.ChildTests.test_status",
    "NotThere": "tests.cli.test_visiting.VisitorTests.test_nothing_kept",
    "NobodyCalled": "tests.cli.test_slash.WhomTests.test_nobody",
    "SeveralCalled": "tests.cli.test_slash.WhomTests.test_own_words",
    "CalledYou": "tests.cli.test_slash.WhomTests.test_you",
    "NoSuchCommand": "tests.cli.test_slash.SlashTests.test_kick",
    "Deviation": "tests.cli.test_demo.EvidenceTests.test_plain_text",
    "FingerprintDiffers": "tests.cli.test_verifying.VerifyTests.test_other_words",
    "BadCode": "tests.test_pairing.CodeTests.test_what_is_wrong",
    "WrongCode": "tests.client.test_inviting.SpentTests.test_wrong_words",
    "CodeRefused": "tests.client.test_inviting.SpentTests.test_another_room",
    "CodeSpent": "tests.client.test_inviting.SpentTests.test_no_such_number",
    "InviteExpired": "tests.client.test_inviting.SpentTests.test_expired",
    "OtherGone": "tests.client.test_inviting.SpentTests.test_newcomer_goes_away",
    "NotInYet": "tests.cli.test_codes.HostTests.test_friend_who_does_not_come_in",
    "OwnInvite": "tests.test_pairing.PairTests.test_own_side",
    "NoMailboxes": "tests.client.test_inviting.RefusedTests.test_no_mailboxes",
    "NobodyToAsk": "tests.cli.test_verifying.VerifyTests.test_nobody_to_ask",
    "NoBackup": "tests.test_backup.BackupTests.test_no_backup",
    "NothingToRemember": "tests.cli.test_remembering.RememberTests.test_nothing_to_remember",
}


@contextmanager
def watching() -> Iterator[set[str]]:
    """Gather the names of the errors that securechat's own code makes meanwhile."""
    made: set[str] = set()

    def new(kind: type[SecureChatError], /, *args: Any, **fields: Any) -> SecureChatError:
        maker = sys._getframe(1).f_globals.get("__name__", "")
        if maker.startswith("securechat."):
            made.add(kind.__name__)
        return Exception.__new__(kind, *args, **fields)

    plain: Any = SecureChatError
    plain.__new__ = new
    try:
        yield made
    finally:
        del plain.__new__


def look(test: str) -> tuple[list[str], str]:
    """Run *test*; return the errors that were made in it, and how it failed, if it did."""
    result = TestResult()
    with watching() as made:
        TestLoader().loadByName(test).run(result)
    bad = [str(failure) for _, failure in (*result.failures, *result.errors)]
    return sorted(made), "\n".join(bad) or ("" if result.testsRun == 1 else "it did not run")


if __name__ == "__main__":
    print(json.dumps({test: look(test) for test in dict.fromkeys(MET.values())}))
