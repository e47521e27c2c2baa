"""What clients do before the server is killed. `restart_after.py` goes on after it was started again."""

import json
import os

from common import Case


class Before(Case):
    def test_what_is_acknowledged(self):
        waits, callback = self.waiting(DurableExecutionName="waits")
        answered, answered_callback = self.waiting(DurableExecutionName="answered")
        self.client.send_durable_execution_callback_success(CallbackId=answered_callback, Result=b'"before"')
        paused, _ = self.waiting(DurableExecutionName="paused")
        self.client.pause_durable_execution(DurableExecutionArn=paused, Reason="a restart")
        self.until("the pause", lambda: self.get(paused)["Status"] == "PAUSED")
        stopped, _ = self.waiting(DurableExecutionName="stopped")
        self.client.stop_durable_execution(DurableExecutionArn=stopped)
        deleted, _ = self.waiting(DurableExecutionName="deleted")
        self.client.stop_durable_execution(DurableExecutionArn=deleted)
        self.client.delete_durable_execution(DurableExecutionArn=deleted)
        page = self.client.get_durable_execution_history(DurableExecutionArn=waits, MaxItems=1)
        notes = {
            "waits": waits,
            "callback": callback,
            "history": [event["EventType"] for event in self.history(waits)],
            "marker": page["NextMarker"],
            "answered": answered,
            "answered_callback": answered_callback,
            "paused": paused,
            "stopped": stopped,
            "deleted": deleted,
        }
        with open(os.environ["NOTES"], "w") as file:
            json.dump(notes, file)
