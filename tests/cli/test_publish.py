"""`dare-eeg publish`."""

from dare_eeg_hf.cli.main import build_parser


def test_the_parser_knows_the_arguments_of_publish():
    options = build_parser().parse_args(["publish", "runs/base", "me/base", "--tag", "v1", "--dry-run"])
    assert (options.repo_id, options.tag, options.dry_run, options.public) == ("me/base", "v1", True, False)
