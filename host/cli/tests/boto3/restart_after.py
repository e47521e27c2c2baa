"""What clients find after the server was killed and started again on the same store."""

import json
import os

from common import Case


class After(Case):
    def setUp(self):
        super().setUp()
        with open(os.environ["NOTES"]) as file:
            self.notes = json.load(file)

    def test_what_was_acknowledged_is_there(self):
        notes = self.notes
        self.assertEqual(self.get(notes["stopped"])["Status"], "STOPPED")
        self.refused(404, "ResourceNotFoundException", "get_durable_execution", DurableExecutionArn=notes["deleted"])
        paused = self.get(notes["paused"])
        self.assertEqual((paused["Status"], paused["PauseDetails"]["Reason"]), ("PAUSED", "a restart"))
        answered = self.ended(notes["answered"])
        self.assertEqual(json.loads(answered["Result"])["answer"], "before")
        self.refused(
            400,
            "CallbackTimeoutException",
            "send_durable_execution_callback_success",
            CallbackId=notes["answered_callback"],
            Result=b'"after"',
        )
        listed = self.client.list_durable_executions_by_function(FunctionName="callback", ReverseOrder=True)
        names = [execution["DurableExecutionName"] for execution in listed["DurableExecutions"]]
        self.assertEqual(names, ["waits", "answered", "paused", "stopped"])

    def test_what_waits_goes_on(self):
        notes = self.notes
        # The same name is the same execution, and what happened before is on record.
        self.assertEqual(self.start("callback", {"name": "asked"}, DurableExecutionName="waits"), notes["waits"])
        kinds = [event["EventType"] for event in self.history(notes["waits"])]
        self.assertEqual(kinds[: len(notes["history"])], notes["history"])
        self.refused(
            400,
            "InvalidParameterValueException",
            "get_durable_execution_history",
            DurableExecutionArn=notes["waits"],
            MaxItems=1,
            Marker=notes["marker"],
        )
        self.client.send_durable_execution_callback_success(CallbackId=notes["callback"], Result=b'"yes"')
        ended = self.ended(notes["waits"])
        self.assertEqual((ended["Status"], json.loads(ended["Result"])["answer"]), ("SUCCEEDED", "yes"))
        self.refused(
            409,
            "DurableExecutionAlreadyStartedException",
            "invoke",
            FunctionName="callback:$LATEST",
            InvocationType="Event",
            DurableExecutionName="waits",
            Payload=b'{"name":"other"}',
        )
