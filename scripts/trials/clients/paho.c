/*
 * Eclipse Paho's C client (MQTTClient.h) against a broker: QoS 0, 1 and 2 both ways, retained messages, a Will, a Session that
 * outlives its connection and its process, and a connection that is made again.
 * Knows Paho's interface; refuses to know which broker. Run: paho URL LEVEL, LEVEL being 4 or 5; the last line is JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <MQTTClient.h>

enum { UNKNOWN = -1, PATIENCE_MS = 60000, QUEUED = 100 };

static const char *url;
static int level, checks;

static void must(int holds, const char *what) {
  checks++;
  if (!holds) exit((printf("FAILED at level %d: %s\n", level, what), 1));
}

static MQTTClient create(const char *id) {
  MQTTClient client;
  MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
  options.MQTTVersion = level == 5 ? MQTTVERSION_5 : MQTTVERSION_DEFAULT;
  must(MQTTClient_createWithOptions(&client, url, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options) == 0, "create");
  return client;
}

/* Connects; whether the Session was there: 1, 0, or UNKNOWN where the interface does not tell, at level 5. */
static int join(MQTTClient client, int clean, const char *will) {
  MQTTClient_connectOptions five = MQTTClient_connectOptions_initializer5;
  MQTTClient_connectOptions four = MQTTClient_connectOptions_initializer;
  MQTTClient_connectOptions options = level == 5 ? five : four;
  MQTTClient_willOptions willOptions = MQTTClient_willOptions_initializer;
  options.connectTimeout = PATIENCE_MS / 1000;
  if (will != NULL) {
    willOptions.topicName = will;
    willOptions.message = "gone";
    willOptions.qos = 1;
    options.will = &willOptions;
  }
  if (level != 5) {
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.cleansession = clean;
    must(MQTTClient_connect(client, &options) == 0, "connect");
    return options.returned.sessionPresent;
  }
  options.cleanstart = clean;
  MQTTProperties properties = MQTTProperties_initializer;
  MQTTProperty expiry = { .identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = clean ? 0 : 600 };
  MQTTProperties_add(&properties, &expiry);
  must(MQTTClient_connect5(client, &options, &properties, NULL).reasonCode == 0, "connect5");
  MQTTProperties_free(&properties);
  return UNKNOWN;
}

static void subscribe(MQTTClient client, const char *filter, int qos) {
  if (level != 5) return must(MQTTClient_subscribe(client, filter, qos) == MQTTCLIENT_SUCCESS, "subscribe");
  must((int)MQTTClient_subscribe5(client, filter, qos, NULL, NULL).reasonCode == qos, "subscribe5");
}

/* Publishes, and waits for what the QoS promises. */
static void publish(MQTTClient client, const char *topic, const char *text, int qos, int retained) {
  MQTTClient_deliveryToken token = 0;
  int length = (int)strlen(text);
  if (level != 5) must(MQTTClient_publish(client, topic, length, text, qos, retained, &token) == 0, "publish");
  else must(MQTTClient_publish5(client, topic, length, text, qos, retained, NULL, &token).reasonCode == 0, "publish5");
  must(qos == 0 || MQTTClient_waitForCompletion(client, token, PATIENCE_MS) == MQTTCLIENT_SUCCESS, "acknowledgement");
}

/* The next message is this one. */
static void expect(MQTTClient client, const char *topic, const char *text, int qos, int retained) {
  char *name = NULL;
  int length = 0;
  MQTTClient_message *message = NULL;
  must(MQTTClient_receive(client, &name, &length, &message, PATIENCE_MS) == 0 && message != NULL, topic);
  must(strcmp(name, topic) == 0 && message->payloadlen == (int)strlen(text), topic);
  must(memcmp(message->payload, text, strlen(text)) == 0 && message->qos == qos, text);
  must(message->retained == retained, "RETAIN");
  MQTTClient_freeMessage(&message);
  MQTTClient_free(name);
}

int main(int count, char **words) {
  if (count != 3) return fprintf(stderr, "usage: paho URL LEVEL\n"), 2;
  url = words[1];
  level = atoi(words[2]);
  int gate[2];
  char text[16], byte = 0;
  must(pipe(gate) == 0, "pipe");
  pid_t child = fork();
  if (child == 0) { /* leaves a Session and goes without DISCONNECT */
    must(read(gate[0], &byte, 1) == 1, "the gate opens");
    MQTTClient stay = create("paho-stay");
    must(join(stay, 0, "paho/will") <= 0, "no Session at first");
    subscribe(stay, "paho/queue", 2);
    _exit(0);
  }
  MQTTClient one = create("paho-one"), stay = create("paho-stay");
  join(one, 1, NULL);
  for (int qos = 0; qos <= 2; qos++) { /* both ways */
    snprintf(text, sizeof text, "paho/%d", qos);
    subscribe(one, text, qos);
    publish(one, text, "to itself", qos, 0);
    expect(one, text, "to itself", qos, 0);
  }
  publish(one, "paho/kept", "kept", 1, 1);
  subscribe(one, "paho/kept", 1);
  expect(one, "paho/kept", "kept", 1, 1);
  publish(one, "paho/kept", "", 1, 1);
  expect(one, "paho/kept", "", 1, 0);

  subscribe(one, "paho/will", 1);
  must(write(gate[1], "", 1) == 1, "the gate");
  expect(one, "paho/will", "gone", 1, 0);
  waitpid(child, NULL, 0);
  for (int life = 0; life < 2; life++) { /* the same handle connects again */
    for (int i = 0; i < QUEUED; i++) snprintf(text, sizeof text, "%d", i), publish(one, "paho/queue", text, 2, 0);
    must(join(stay, 0, NULL) != 0, "the Session is there");
    for (int i = 0; i < QUEUED; i++) snprintf(text, sizeof text, "%d", i), expect(stay, "paho/queue", text, 2, 0);
    must(MQTTClient_disconnect(stay, PATIENCE_MS) == MQTTCLIENT_SUCCESS, "disconnect");
  }
  must(join(stay, 1, NULL) <= 0, "Clean Start ends the Session");

  printf("{\"checks\":%d}\n", checks);
  return 0;
}
