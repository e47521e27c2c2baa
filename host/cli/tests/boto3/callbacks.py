"""Answers to callbacks."""

import json

from common import Case

ANSWERS = {
    "send_durable_execution_callback_success": {"Result": b'"late"'},
    "send_durable_execution_callback_failure": {"Error": {"ErrorMessage": "late"}},
    "send_durable_execution_callback_heartbeat": {},
}


class Callbacks(Case):
    def result(self, arn):
        ended = self.ended(arn)
        self.assertEqual(ended["Status"], "SUCCEEDED", ended.get("Error"))
        return json.loads(ended["Result"])

    def test_success(self):
        for result, expected in [(b'{"by":"kim"}', {"by": "kim"}), (b'"\xc3\xa9"', "\u00e9"), (b"null", None)]:
            arn, callback = self.waiting()
            self.client.send_durable_execution_callback_success(CallbackId=callback, Result=result)
            self.assertEqual(self.result(arn), {"id": callback, "answer": expected})

    def test_success_without_a_result(self):
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_success(CallbackId=callback)
        self.assertEqual(self.result(arn)["id"], callback)

    def test_failure(self):
        error = {
            "ErrorType": "Rejected",
            "ErrorMessage": "not today",
            "ErrorData": '{"until":"monday"}',
            "StackTrace": ["line 1", "line 2"],
        }
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_failure(CallbackId=callback, Error=error)
        result = self.result(arn)
        self.assertIn("ExternalFailure", result["failed"])
        self.assertIn("not today", result["error"])
        failed = [e for e in self.history(arn) if e["EventType"] == "CallbackFailed"]
        self.assertEqual(failed[0]["CallbackFailedDetails"]["Error"]["Payload"], error)

    def test_failure_without_an_error(self):
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_failure(CallbackId=callback)
        self.assertIn("ExternalFailure", self.result(arn)["failed"])

    def test_heartbeat(self):
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_heartbeat(CallbackId=callback)
        self.assertEqual(self.get(arn)["Status"], "RUNNING")
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"1")
        self.assertEqual(self.result(arn)["answer"], 1)

    def test_a_callback_is_answered_once(self):
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"first"')
        for operation, answer in ANSWERS.items():
            self.refused(400, "CallbackTimeoutException", operation, CallbackId=callback, **answer)
        self.assertEqual(self.result(arn)["answer"], "first")

    def test_callbacks_that_are_not_there(self):
        for operation, answer in ANSWERS.items():
            self.refused(404, "ResourceNotFoundException", operation, CallbackId="bm9uZQ==", **answer)
            self.refused(400, "InvalidParameterValueException", operation, CallbackId="n one", **answer)

    def test_results_that_are_too_large(self):
        arn, callback = self.waiting()
        self.refused(
            400,
            "InvalidParameterValueException",
            "send_durable_execution_callback_success",
            CallbackId=callback,
            Result=json.dumps("x" * (1 << 20)),
        )
        self.refused(
            400,
            "InvalidParameterValueException",
            "send_durable_execution_callback_failure",
            CallbackId=callback,
            Error={"ErrorMessage": "x" * (1 << 20) + "x"},
        )
        self.assertEqual(self.get(arn)["Status"], "RUNNING")
