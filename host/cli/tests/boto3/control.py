"""Executions are stopped, paused, resumed and deleted."""

import json
from datetime import datetime

from common import Case
from reads import UNKNOWN


class Control(Case):
    def test_stop(self):
        arn, callback = self.waiting()
        error = {"ErrorType": "Enough", "ErrorMessage": "it took too long", "ErrorData": "d", "StackTrace": ["s"]}
        stopped = self.client.stop_durable_execution(DurableExecutionArn=arn, Error=error)
        self.assertIsInstance(stopped["StopTimestamp"], datetime)
        ended = self.get(arn)
        self.assertEqual((ended["Status"], ended["Error"]), ("STOPPED", error))
        self.assertEqual(ended["EndTimestamp"], stopped["StopTimestamp"])
        self.assertEqual(self.history(arn)[-1]["EventType"], "ExecutionStopped")
        self.refused(
            400, "InvalidParameterValueException", "stop_durable_execution", DurableExecutionArn=arn
        )
        self.refused(
            400,
            "CallbackTimeoutException",
            "send_durable_execution_callback_success",
            CallbackId=callback,
            Result=b"1",
        )

    def test_stop_without_an_error(self):
        arn, _ = self.waiting()
        self.client.stop_durable_execution(DurableExecutionArn=arn)
        self.assertEqual(self.get(arn)["Status"], "STOPPED")

    def test_pause_and_resume(self):
        arn, callback = self.waiting()
        pause = {"DurableExecutionArn": arn, "Reason": "lunch", "ClientToken": "token-1"}
        self.assertEqual(self.client.pause_durable_execution(**pause)["ResponseMetadata"]["HTTPStatusCode"], 202)
        # The same request again is the same pause, and another one is refused.
        self.client.pause_durable_execution(**pause)
        self.refused(409, "ResourceConflictException", "pause_durable_execution", DurableExecutionArn=arn)
        paused = self.until("the pause", lambda: (e := self.get(arn))["Status"] == "PAUSED" and e)
        self.assertEqual(paused["PauseDetails"]["Reason"], "lunch")
        self.assertIsInstance(paused["PauseDetails"]["PauseRequestTimestamp"], datetime)
        self.assertIs(paused["PauseDetails"]["ExecutionTimeoutPaused"], True)
        listed = self.client.list_durable_executions_by_function(FunctionName="callback", Statuses=["PAUSED"])
        self.assertEqual([e["DurableExecutionArn"] for e in listed["DurableExecutions"]], [arn])
        # An answer is taken, and handled after the pause.
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')
        self.assertEqual(self.get(arn)["Status"], "PAUSED")
        self.client.resume_durable_execution(DurableExecutionArn=arn, Reason="back")
        ended = self.ended(arn)
        self.assertEqual((ended["Status"], json.loads(ended["Result"])["answer"]), ("SUCCEEDED", "yes"))
        self.refused(409, "ResourceConflictException", "resume_durable_execution", DurableExecutionArn=arn)

    def test_a_pause_that_lets_the_timeout_go_on(self):
        arn, _ = self.waiting()
        self.client.pause_durable_execution(DurableExecutionArn=arn, ExecutionTimeoutPaused=False)
        paused = self.until("the pause", lambda: (e := self.get(arn))["Status"] == "PAUSED" and e)
        self.assertIs(paused["PauseDetails"]["ExecutionTimeoutPaused"], False)
        self.assertIn("ExpectedExecutionTimeoutTimestamp", paused)
        self.client.stop_durable_execution(DurableExecutionArn=arn)
        self.assertEqual(self.get(arn)["Status"], "STOPPED")

    def test_delete(self):
        arn, _ = self.waiting(DurableExecutionName="gone")
        self.refused(409, "ResourceConflictException", "delete_durable_execution", DurableExecutionArn=arn)
        self.client.stop_durable_execution(DurableExecutionArn=arn)
        deleted = self.client.delete_durable_execution(DurableExecutionArn=arn)
        self.assertIsInstance(deleted["DeletionRequestTimestamp"], datetime)
        self.refused(404, "ResourceNotFoundException", "get_durable_execution", DurableExecutionArn=arn)
        # The name is free.
        self.assertNotEqual(self.start("callback", {"name": "other"}, DurableExecutionName="gone"), arn)

    def test_what_is_not_there(self):
        for operation in [
            "stop_durable_execution",
            "pause_durable_execution",
            "resume_durable_execution",
            "delete_durable_execution",
        ]:
            self.refused(404, "ResourceNotFoundException", operation, DurableExecutionArn=UNKNOWN)
            self.refused(400, "InvalidParameterValueException", operation, DurableExecutionArn="order")
