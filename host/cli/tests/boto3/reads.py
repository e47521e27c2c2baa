"""GetDurableExecution, its history and state, and lists: shapes, filters and pages."""

import json
from datetime import datetime, timedelta, timezone

from common import Case

UNKNOWN = "arn:aws:lambda:us-east-1:000000000000:function:greet:$LATEST/durable-execution/n/i"


class Executions(Case):
    def test_one_that_succeeded(self):
        before = datetime.now(timezone.utc) - timedelta(seconds=1)
        arn = self.start("greet", "Ada", DurableExecutionName="seen")
        ended = self.ended(arn)
        self.assertEqual(
            {name: ended[name] for name in ["DurableExecutionArn", "DurableExecutionName", "Status", "Version"]},
            {
                "DurableExecutionArn": arn,
                "DurableExecutionName": "seen",
                "Status": "SUCCEEDED",
                "Version": "$LATEST",
            },
        )
        self.assertTrue(ended["FunctionArn"].endswith(":function:greet:$LATEST"), ended)
        self.assertEqual((ended["InputPayload"], ended["Result"]), ('"Ada"', '"Hello, Ada"'))
        after = datetime.now(timezone.utc) + timedelta(seconds=1)
        self.assertTrue(before <= ended["StartTimestamp"] <= ended["EndTimestamp"] <= after, ended)
        bare = self.get(arn, IncludeExecutionData=False)
        self.assertEqual((ended["ExecutionDataIncluded"], bare["ExecutionDataIncluded"]), (True, False))
        self.assertFalse({"InputPayload", "Result", "Error"} & set(bare), bare)

    def test_one_that_waits(self):
        arn, _ = self.waiting()
        running = self.get(arn)
        self.assertEqual(running["Status"], "RUNNING")
        self.assertGreater(running["ExpectedExecutionTimeoutTimestamp"], running["StartTimestamp"])
        self.assertFalse({"EndTimestamp", "Result", "Error", "PauseDetails"} & set(running), running)

    def test_what_is_not_there(self):
        for operation in ["get_durable_execution", "get_durable_execution_history"]:
            self.refused(404, "ResourceNotFoundException", operation, DurableExecutionArn=UNKNOWN)
            self.refused(400, "InvalidParameterValueException", operation, DurableExecutionArn="order")

    def test_what_is_for_handlers(self):
        arn, _ = self.waiting()
        # No client has a token.
        for operation in ["get_durable_execution_state", "checkpoint_durable_execution"]:
            self.refused(
                400,
                "InvalidParameterValueException",
                operation,
                DurableExecutionArn=arn,
                CheckpointToken="bm9uZQ==",
            )


class Histories(Case):
    def test_events(self):
        arn, callback = self.waiting()
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')
        self.ended(arn)
        events = self.history(arn)
        self.assertEqual([event["EventId"] for event in events], list(range(1, len(events) + 1)))
        kinds = [event["EventType"] for event in events]
        self.assertEqual((kinds[0], kinds[-2:].count("ExecutionSucceeded")), ("ExecutionStarted", 1), kinds)
        for kind in ["CallbackStarted", "StepStarted", "StepSucceeded", "CallbackSucceeded", "InvocationCompleted"]:
            self.assertIn(kind, kinds)
        first, answered = events[0], events[kinds.index("CallbackSucceeded")]
        self.assertEqual(first["ExecutionStartedDetails"]["Input"]["Payload"], '{"name": "asked"}')
        self.assertEqual(answered["CallbackSucceededDetails"]["Result"]["Payload"], '"yes"')
        self.assertIsInstance(first["EventTimestamp"], datetime)
        bare = self.history(arn, IncludeExecutionData=False)
        self.assertEqual([event["EventType"] for event in bare], kinds)
        self.assertEqual(bare[0]["ExecutionStartedDetails"]["Input"], {"Truncated": True})

    def test_pages(self):
        arn, _ = self.waiting()
        self.client.stop_durable_execution(DurableExecutionArn=arn)
        whole = self.history(arn)
        pages = self.client.get_paginator("get_durable_execution_history")
        for size in [1, 2, 3, 1000]:
            for reverse in [False, True]:
                found = list(
                    pages.paginate(
                        DurableExecutionArn=arn, ReverseOrder=reverse, PaginationConfig={"PageSize": size}
                    )
                )
                self.assertTrue(all(len(page["Events"]) == size for page in found[:-1]), found)
                events = [event for page in found for event in page["Events"]]
                self.assertEqual(events, whole[::-1] if reverse else whole)
        first = self.client.get_durable_execution_history(DurableExecutionArn=arn, MaxItems=2)
        second = self.client.get_durable_execution_history(
            DurableExecutionArn=arn, MaxItems=3, Marker=first["NextMarker"]
        )
        self.assertEqual(first["Events"] + second["Events"], whole[:5])

    def test_markers_are_for_one_request(self):
        arn, _ = self.waiting()
        first = self.client.get_durable_execution_history(DurableExecutionArn=arn, MaxItems=1)
        for more in [{"Marker": "x"}, {"Marker": first["NextMarker"], "ReverseOrder": True}, {"MaxItems": 1001}]:
            self.refused(
                400,
                "InvalidParameterValueException",
                "get_durable_execution_history",
                DurableExecutionArn=arn,
                **more,
            )


class Lists(Case):
    def list(self, **filters):
        """The names of the executions of `two_waits`, of as many pages as there are."""
        pages = self.client.get_paginator("list_durable_executions_by_function")
        pages = pages.paginate(FunctionName="two_waits", PaginationConfig={"PageSize": 2}, **filters)
        return [execution["DurableExecutionName"] for page in pages for execution in page["DurableExecutions"]]

    def test_filters_and_pages(self):
        arns = {}
        for name in ["a", "b", "c", "d", "e"]:
            # Days, so that they wait; those that are stopped have ended.
            arns[name] = self.start("two_waits", [90000, 90000], DurableExecutionName=name)
        for name in ["b", "d"]:
            self.client.stop_durable_execution(DurableExecutionArn=arns[name])
        newest_first = self.list()
        self.assertEqual(sorted(newest_first), ["a", "b", "c", "d", "e"])
        self.assertEqual(self.list(ReverseOrder=True), newest_first[::-1])
        for expected, filters in [
            ("bd", {"Statuses": ["STOPPED"]}),
            ("ace", {"Statuses": ["RUNNING"]}),
            ("abcde", {"Statuses": ["RUNNING", "STOPPED", "FAILED"]}),
            ("", {"Statuses": ["SUCCEEDED"]}),
            ("c", {"DurableExecutionName": "c"}),
            ("", {"DurableExecutionName": "c", "Statuses": ["STOPPED"]}),
            ("abcde", {"Qualifier": "$LATEST"}),
            ("abcde", {"StartedAfter": datetime(2020, 1, 1, tzinfo=timezone.utc)}),
            ("", {"StartedAfter": datetime.now(timezone.utc) + timedelta(hours=1)}),
            ("abcde", {"StartedBefore": datetime.now(timezone.utc) + timedelta(hours=1)}),
            ("", {"StartedBefore": datetime(2020, 1, 1, tzinfo=timezone.utc)}),
        ]:
            with self.subTest(filters):
                self.assertEqual("".join(sorted(self.list(**filters))), expected)
        listed = self.client.list_durable_executions_by_function(
            FunctionName="two_waits", Statuses=["STOPPED"], DurableExecutionName="b"
        )
        self.assertNotIn("NextMarker", listed)
        (stopped,) = listed["DurableExecutions"]
        self.assertEqual((stopped["DurableExecutionArn"], stopped["Status"]), (arns["b"], "STOPPED"))
        self.assertLessEqual(stopped["StartTimestamp"], stopped["EndTimestamp"])

    def test_what_an_invoke_starts_is_listed(self):
        arn = self.start("sequence", [{"invoke": ["called", "greet_by_invoke", "Ada"]}])
        self.assertEqual(json.loads(self.ended(arn)["Result"]), ["Hello, Ada"])
        listed = self.client.list_durable_executions_by_function(FunctionName="greet_by_invoke")
        self.assertEqual([e["Status"] for e in listed["DurableExecutions"]], ["SUCCEEDED"])

    def test_what_is_refused(self):
        for status, exception, parameters in [
            (404, "ResourceNotFoundException", {"FunctionName": "nobody"}),
            (404, "ResourceNotFoundException", {"Qualifier": "prod"}),
            (400, "InvalidParameterValueException", {"Statuses": ["WAITING"]}),
            (400, "InvalidParameterValueException", {"MaxItems": 1001}),
            (400, "InvalidParameterValueException", {"Marker": "x"}),
            (400, "InvalidParameterValueException", {"DurableExecutionName": "no name"}),
        ]:
            with self.subTest(parameters):
                parameters = {"FunctionName": "greet", **parameters}
                self.refused(status, exception, "list_durable_executions_by_function", **parameters)
