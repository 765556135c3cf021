"""paho-mqtt for Python: one connection that awaits each QoS 1 publish to its own subscription.

Run: round_trip.py HOST PORT LEVEL ROUNDS, LEVEL being 4 or 5. Writes the median and the worst as JSON.
"""

import json
import statistics
import sys
import threading
import time

import paho.mqtt.client as mqtt

PATIENCE_SECONDS = 60
host, port, level, rounds = sys.argv[1], *map(int, sys.argv[2:5])
options = {"client_id": "python", "protocol": mqtt.MQTTv5 if level == 5 else mqtt.MQTTv311}
if hasattr(mqtt, "CallbackAPIVersion"):  # 2.0
    options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
client = mqtt.Client(**options)
subscribed, came = threading.Event(), threading.Event()
client.on_connect = lambda *_: client.subscribe("python", qos=1)
client.on_subscribe = lambda *_: subscribed.set()
client.on_message = lambda *_: came.set()
client.connect(host, port)
client.loop_start()
assert subscribed.wait(PATIENCE_SECONDS), "no SUBACK"
took = []
for _ in range(rounds):
    began = time.perf_counter()
    client.publish("python", b"x", qos=1).wait_for_publish()
    assert came.wait(PATIENCE_SECONDS), "the message has not come"
    came.clear()
    took.append((time.perf_counter() - began) * 1000)
client.disconnect()
client.loop_stop()
print(json.dumps({"medianMs": statistics.median(took), "worstMs": max(took)}))
