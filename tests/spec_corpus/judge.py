#!/usr/bin/env python3
"""Checks that the schemas and ff-ci judge every file of this corpus alike: job specs, and known-issues files in known_issues/.

    judge.py FF-CI

good/*.yaml and the examples in contrib/: both accept. bad/*.yaml: ff-ci exits 78 and complains of exactly what the file's first lines
expect, and the schema rejects it too:

    # expect: LINE:COLUMN: PART OF THE COMPLAINT     (one line for each complaint)
    # schema: cannot tell                            (only ff-ci can see the defect)

Known-issues files that job specs name are those in good/files.

Prints each disagreement and their number, and exits 1 when there is any.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

CORPUS = pathlib.Path(__file__).resolve().parent
TREE = CORPUS.parent.parent
EXAMPLES = TREE / "contrib" / "examples"
BAD_SPEC = 78


class CoreLoader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2's core schema does: no sexagesimals, no `on`, no dates, no octal 010."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        self.flatten_mapping(node)
        return {self.key(key): self.construct_object(value, deep=True) for key, value in node.value}

    @staticmethod
    def key(node):
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a scalar", node.start_mark)
        return node.value  # JSON has only text for keys


def construct_map(loader, node):
    return loader.construct_mapping(node, deep=True)


def construct_int(_, node):
    text = node.value
    return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))


def construct_float(_, node):
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


for tag, pattern, first, construct in [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""], lambda *_: None),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF", lambda _, node: node.value in ("true", "True", "TRUE")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789", construct_int),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
        construct_float,
    ),
    ("merge", r"<<", "<", lambda _, node: node.value),
]:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), list(first))
    CoreLoader.add_constructor(f"tag:yaml.org,2002:{tag}", construct)
CoreLoader.add_constructor("tag:yaml.org,2002:map", construct_map)


def ecma_pattern(_, pattern, instance, __):
    """JSON Schema's patterns are ECMAScript's, where $ does not match before a final newline."""
    ecma = re.sub(r"(?<!\\)\$(?=$|\))", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(ecma, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def make_validator(name):
    schema = json.loads((TREE / "schemas" / name).read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": ecma_pattern})
    return validator(schema)


def schema_verdict(validator, text):
    """'accepts', or 'rejects …', or 'cannot read …' when there is no tree to validate."""
    try:
        document = yaml.load(text, Loader=CoreLoader)
        error = next(validator.iter_errors(document), None)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return f"cannot read it: {str(error).splitlines()[0]}"
    return "accepts" if error is None else f"rejects it: {error.message[:200]}"


def ask_ff_ci(command, path):
    """The exit code, and the complaints as 'LINE:COLUMN: TEXT'."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FFCI_")}
    environment |= {"HOME": "/root", "KSELFTEST_DIR": "/kselftest"}  # an example names the latter
    done = subprocess.run(
        [*command, str(path)], capture_output=True, timeout=60, env=environment, cwd=CORPUS
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    return done.returncode, re.findall(re.escape(str(path)) + r":(\d+:\d+: .*)", output), output


def judge_good(command, validator, path):
    code, complaints, output = ask_ff_ci(command, path)
    if code != 0:
        yield f"ff-ci exits {code}: {' | '.join(complaints) or output.strip()}"
    verdict = schema_verdict(validator, path.read_bytes())
    if verdict != "accepts":
        yield f"the schema {verdict}"


def judge_bad(command, validator, path):
    text = path.read_bytes()
    expected = re.findall(r"^# expect: (.+)$", text.decode(errors="replace"), re.MULTILINE)
    if not expected:
        yield "it has no '# expect: LINE:COLUMN: …' line"
    code, complaints, output = ask_ff_ci(command, path)
    if code != BAD_SPEC:
        yield f"ff-ci exits {code}, not {BAD_SPEC}: {output.strip()[:200]}"
    for part in expected:
        place, _, words = part.partition(": ")
        found = [c for c in complaints if c.startswith(place + ": ") and words in c]
        complaints = [c for c in complaints if c not in found]
        if not found:
            yield f"ff-ci does not complain: {part}"
    for complaint in complaints:
        yield f"ff-ci complains unexpectedly: {complaint}"

    verdict = schema_verdict(validator, text)
    cannot_tell = re.search(r"^# schema: cannot tell$", text.decode(errors="replace"), re.MULTILINE)
    if not cannot_tell and not verdict.startswith("rejects"):
        yield f"the schema {verdict}"
    if cannot_tell and verdict.startswith("rejects"):
        yield f"the schema can tell: it {verdict}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    validate = [os.path.abspath(sys.argv[1]), "validate"]
    issues_of_examples = set(EXAMPLES.glob("known-issues*.yaml"))
    jobs_of_examples = set(EXAMPLES.glob("*.yaml")) - issues_of_examples
    files = disagreements = 0
    for command, schema, corpus, examples in (
        (validate, "job.schema.json", CORPUS, jobs_of_examples),
        ([*validate, "--known-issues"], "known-issues.schema.json", CORPUS / "known_issues", issues_of_examples),
    ):
        validator = make_validator(schema)
        good = sorted((corpus / "good").glob("*.yaml"))
        bad = sorted((corpus / "bad").glob("*.yaml"))
        if not (good and bad and examples):
            sys.exit(f"there is nothing to judge by {schema}")
        for judge, paths in ((judge_good, good), (judge_bad, bad), (judge_good, sorted(examples))):
            for path in paths:
                files += 1
                for disagreement in judge(command, validator, path):
                    print(f"{path.relative_to(TREE)}: {disagreement}")
                    disagreements += 1
    print(f"{files} files, {disagreements} disagreements")
    sys.exit(1 if disagreements else 0)


if __name__ == "__main__":
    main()
