"""A server with --credentials: what its key signs passes, and nothing else."""

import json
from datetime import datetime, timedelta, timezone
from unittest import mock

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from common import Case, client


class Signatures(Case):
    def test_every_kind_of_request_passes_with_the_right_key(self):
        arn, callback = self.waiting(DurableExecutionName="signed")
        self.assertEqual(len(self.history(arn, PaginationConfig={"PageSize": 1})), len(self.history(arn)))
        listed = self.client.list_durable_executions_by_function(
            FunctionName="callback", Statuses=["RUNNING", "PAUSED"], DurableExecutionName="signed"
        )
        self.assertEqual(len(listed["DurableExecutions"]), 1)
        self.client.pause_durable_execution(DurableExecutionArn=arn, Reason="caf\u00e9")
        self.client.resume_durable_execution(DurableExecutionArn=arn)
        self.client.send_durable_execution_callback_heartbeat(CallbackId=callback)
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"\xc3\xa9"')
        self.assertEqual(json.loads(self.ended(arn)["Result"])["answer"], "\u00e9")
        self.client.delete_durable_execution(DurableExecutionArn=arn)
        answer = self.client.invoke(FunctionName="greet:$LATEST", Payload=json.dumps("x" * 100_000))
        self.assertEqual(len(json.load(answer["Payload"])), 100_007)
        self.refused(404, "ResourceNotFoundException", "get_durable_execution", DurableExecutionArn=arn)

    def other(self, key, secret):
        session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret)
        return session.client("lambda", config=Config(retries={"total_max_attempts": 1}))

    def test_wrong_keys(self):
        key = boto3.Session().get_credentials().access_key
        wrong = self.other(key, "another-secret-of-16-characters")
        self.refused_for_all_services(wrong, 403, "InvalidSignatureException")
        stranger = self.other("AKIDEXAMPLE99999", "another-secret-of-16-characters")
        self.refused_for_all_services(stranger, 403, "UnrecognizedClientException")

    def test_no_signature(self):
        unsigned = client(signature_version=UNSIGNED)
        self.refused_for_all_services(unsigned, 403, "MissingAuthenticationTokenException")

    def test_a_clock_that_is_wrong(self):
        for minutes in [-10, 10]:
            then = datetime.now(timezone.utc) + timedelta(minutes=minutes)
            with mock.patch("botocore.auth.get_current_datetime", lambda *_: then):
                message = self.refused_for_all_services(self.client, 403, "InvalidSignatureException")
            self.assertIn("Signature expired", message)
