"""Invoke: its types, names, errors of functions, logs, and what is refused."""

import base64
import json

from botocore.exceptions import ParamValidationError
from common import Case


class Invocations(Case):
    def invoke(self, function, event, **more):
        return self.client.invoke(FunctionName=function, Payload=json.dumps(event), **more)

    def test_synchronous(self):
        answer = self.invoke("greet:$LATEST", "Ada")
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "$LATEST"))
        self.assertEqual(json.load(answer["Payload"]), "Hello, Ada")
        self.assertNotIn("FunctionError", answer)
        self.assertNotIn("LogResult", answer)
        self.assertEqual(self.get(answer["DurableExecutionArn"])["Status"], "SUCCEEDED")

    def test_by_all_names_of_a_function(self):
        arn = "arn:aws:lambda:us-east-1:000000000000:function:greet"
        for name, more in [
            ("greet", {"Qualifier": "$LATEST"}),
            ("000000000000:function:greet:$LATEST", {}),
            (f"{arn}:$LATEST", {}),
            (arn, {"Qualifier": "$LATEST"}),
        ]:
            with self.subTest(name):
                self.assertEqual(json.load(self.invoke(name, "Ada", **more)["Payload"]), "Hello, Ada")

    def test_asynchronous(self):
        answer = self.invoke("greet:$LATEST", "Ada", InvocationType="Event")
        self.assertEqual((answer["StatusCode"], answer["Payload"].read()), (202, b""))
        ended = self.ended(answer["DurableExecutionArn"])
        self.assertEqual((ended["Status"], json.loads(ended["Result"])), ("SUCCEEDED", "Hello, Ada"))

    def test_dry_run(self):
        answer = self.invoke("greet:$LATEST", "Ada", InvocationType="DryRun", DurableExecutionName="dry")
        self.assertEqual(answer["StatusCode"], 204)
        listed = self.client.list_durable_executions_by_function(
            FunctionName="greet", DurableExecutionName="dry"
        )
        self.assertEqual(listed["DurableExecutions"], [])

    def test_plain_functions(self):
        answer = self.invoke("plain", "Ada")
        self.assertEqual(answer["StatusCode"], 200)
        self.assertNotIn("DurableExecutionArn", answer)
        self.assertTrue(answer["Payload"].read())
        self.assertEqual(self.invoke("plain", "Ada", InvocationType="Event")["StatusCode"], 202)
        self.assertEqual(self.invoke("plain", "Ada", InvocationType="DryRun")["StatusCode"], 204)
        self.refused(
            400,
            "InvalidParameterValueException",
            "invoke",
            FunctionName="plain",
            DurableExecutionName="n",
            Payload=b"1",
        )

    def test_without_a_payload(self):
        answer = self.client.invoke(FunctionName="empty:$LATEST")
        self.assertEqual(json.load(answer["Payload"]), None)

    def test_errors_of_functions(self):
        answer = self.invoke("says:$LATEST", "Trouble")
        self.assertEqual((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))
        error = json.load(answer["Payload"])
        self.assertEqual(error["errorType"], "Trouble")
        self.assertIn("retries exhausted after 1 attempts: Trouble", error["errorMessage"])
        self.assertLessEqual(set(error), {"errorType", "errorMessage", "errorData", "stackTrace"})
        failed = self.get(answer["DurableExecutionArn"])
        self.assertEqual((failed["Status"], failed["Error"]["ErrorType"]), ("FAILED", "Trouble"))

    def test_log(self):
        answer = self.invoke("says:$LATEST", "a line that ENDS", LogType="Tail")
        self.assertIn("a line that ENDS", base64.b64decode(answer["LogResult"]).decode())
        long = "x" * 5000 + "ENDS"
        tail = base64.b64decode(self.invoke("says:$LATEST", long, LogType="Tail")["LogResult"])
        self.assertTrue(0 < len(tail) <= 4096 and b"ENDS" in tail, tail)

    def test_a_name_is_one_execution(self):
        name = {"DurableExecutionName": "once"}
        first = self.invoke("greet:$LATEST", "Ada", **name)
        again = self.invoke("greet:$LATEST", "Ada", **name)
        self.assertEqual(first["DurableExecutionArn"], again["DurableExecutionArn"])
        self.assertEqual(json.load(again["Payload"]), "Hello, Ada")
        self.assertEqual(self.start("greet", "Ada", **name), first["DurableExecutionArn"])
        message = self.refused(
            409,
            "DurableExecutionAlreadyStartedException",
            "invoke",
            FunctionName="greet:$LATEST",
            Payload=b'"Bob"',
            **name,
        )
        self.assertIn("once", message)
        # A name belongs to a function.
        self.assertIn(":says:", self.start("says", "ENDS", **name))

    def test_payloads_that_are_too_large(self):
        most = (1 << 20) - 2
        ended = self.ended(self.start("says", "x" * (most - 4) + "ENDS"))
        self.assertEqual(ended["Status"], "SUCCEEDED", ended.get("Error"))
        for kind, size in [("Event", 1 << 20), ("RequestResponse", 6 << 20)]:
            self.refused(
                413,
                "RequestTooLargeException",
                "invoke",
                FunctionName="greet:$LATEST",
                InvocationType=kind,
                Payload=json.dumps("x" * (size - 1)),
            )

    def test_what_is_refused(self):
        greet = {"FunctionName": "greet:$LATEST", "Payload": b'"Ada"'}
        for status, exception, parameters in [
            (400, "InvalidRequestContentException", {"Payload": b"{"}),
            (400, "InvalidRequestContentException", {"Payload": b"\xff"}),
            (404, "ResourceNotFoundException", {"FunctionName": "nobody:$LATEST"}),
            (404, "ResourceNotFoundException", {"FunctionName": "greet:prod"}),
            (400, "InvalidParameterValueException", {"FunctionName": "greet"}),
            (400, "InvalidParameterValueException", {"FunctionName": "no name"}),
            (400, "InvalidParameterValueException", {"Qualifier": "prod"}),
            (400, "InvalidParameterValueException", {"DurableExecutionName": "no name"}),
            (400, "InvalidParameterValueException", {"InvocationType": "Soon"}),
            (400, "InvalidParameterValueException", {"LogType": "All"}),
            (400, "InvalidParameterValueException", {"TenantId": "t"}),
            (400, "InvalidParameterValueException", {"ClientContext": "e30="}),
        ]:
            with self.subTest(parameters):
                self.refused(status, exception, "invoke", **{**greet, **parameters})
        with self.assertRaises(ParamValidationError):
            self.client.invoke(FunctionName="")
