"""paho-mqtt for Python: logs in by password over TLS, and awaits one QoS 1 publish to its own subscription.

Run: round_trip.py PORT LEVEL CA USER PASSWORD TOPIC, LEVEL being 4 or 5. Writes "came" or the code of the refusal.
"""

import ssl
import sys
import threading

import paho.mqtt.client as mqtt

PATIENCE_SECONDS = 120
port, level, ca, user, password, topic = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:7]
options = {"client_id": "python", "protocol": mqtt.MQTTv5 if level == 5 else mqtt.MQTTv311}
if hasattr(mqtt, "CallbackAPIVersion"):  # 2.0
    options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
client = mqtt.Client(**options)
client.tls_set(ca_certs=ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.username_pw_set(user, password)
answered, came = threading.Event(), threading.Event()
codes = []


def on_connect(_client, _data, _flags, code, *_):
    codes.append(getattr(code, "value", code))
    answered.set()


client.on_connect = on_connect
client.on_subscribe = lambda *_: client.publish(topic, b"x", qos=1)
client.on_message = lambda *_: came.set()
client.connect("localhost", port)
client.loop_start()
assert answered.wait(PATIENCE_SECONDS), "no CONNACK"
if codes[0] == 0:
    client.subscribe(topic, qos=1)
    assert came.wait(PATIENCE_SECONDS), "the message has not come"
print("came" if codes[0] == 0 else codes[0])
client.disconnect()
client.loop_stop()
