"""Counts the packets of multicast DNS that come from one address: mdns_count_main.py OWN-IP SECONDS SOURCE; one JSON object."""

import json
import socket
import sys
import time

GROUP, PORT = "224.0.0.251", 5353
own, seconds, source = sys.argv[1], float(sys.argv[2]), sys.argv[3]
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((GROUP, PORT))
listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(own))
print(json.dumps({"event": "ready"}), flush=True)
end, count, others = time.monotonic() + seconds, 0, 0
while (left := end - time.monotonic()) > 0:
    listener.settimeout(left)
    try:
        _, sender = listener.recvfrom(9_000)
    except TimeoutError:
        break
    if sender[0] == source:
        count += 1
    else:
        others += 1
print(json.dumps({"event": "counted", "packets": count, "others": others}), flush=True)
