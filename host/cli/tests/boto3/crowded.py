"""A server with `--max-executions 1`."""

import json

from common import Case


class Crowded(Case):
    def test_more_than_fits_is_refused(self):
        # It is at work while the function that it invokes waits.
        arn = self.start("sequence", [{"invoke": ["called", "callback", {"name": "asked"}]}])
        message = self.refused(
            429, "TooManyRequestsException", "invoke", FunctionName="greet:$LATEST", Payload=b'"Ada"'
        )
        self.assertIn("again", message)
        self.client.stop_durable_execution(DurableExecutionArn=arn)

        # The place is free soon after the end.
        def look():
            try:
                return self.client.invoke(FunctionName="greet:$LATEST", Payload=b'"Ada"')
            except self.client.exceptions.TooManyRequestsException as error:
                self.assertEqual(error.response["Reason"], "ConcurrentInvocationLimitExceeded")
                self.assertEqual(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"], "1")
                return None

        self.assertEqual(json.load(self.until("a place", look)["Payload"]), "Hello, Ada")
