#!/usr/bin/env python3
"""Orders, dispatches, prescribes, counts…: a day in a fresh demonstration, each answer checked against the description.

    contract-things.py http://HOST:PORT TOKEN

What it leaves behind lets scripts/contract see more than refusals: it prints settings of schemathesis that say what a path may hold,
and which operations have succeeded.
"""

import json
import sys
import time

import schemathesis

server, token = sys.argv[1:]
schema = schemathesis.openapi.from_url(f"{server}/api/openapi.json")
reached = set()
made = 0


def call(method, path, body=None, query=None, version=None, **values):
    """Does it, checks the answer, and gives its JSON, if it is JSON."""
    global made
    made += 1
    headers = {"Idempotency-Key": f"thing-{made}"} if method == "POST" else {}
    if version is not None:
        headers["If-Match"] = f'"{version}"'
    sent = {} if body is None else {"body": body, "media_type": "application/json"}
    case = schema[f"/api/v1{path}"][method].Case(path_parameters=values, query=query or {}, headers=headers, **sent)
    answer = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, timeout=10)
    if answer.status_code >= 300:
        sys.exit(f"{method} {path} {values}: {answer.status_code} {answer.text}")
    reached.add(case.operation.label)
    return answer.json() if answer.content and "json" in answer.headers["content-type"][0] else None


def get(path, query=None, **values):
    return call("GET", path, query=query, **values)


def post(path, body, **values):
    return call("POST", path, body, **values)


def until(what, look):
    """Waits for what another actor does on hearing of something."""
    for _ in range(200):
        if look():
            return
        time.sleep(0.05)
    sys.exit(f"waited in vain: {what}")


address = {"name": "Demo", "street": "Esimerkkikatu 1", "postcode": "00100", "city": "Helsinki", "country": "FI"}
price = {"minor": 100, "currency": "EUR"}
later = "2099-01-01T00:00:00Z"
names = {}

# Goods and their prices.
sofa, other, third = (item["sku"] for item in get("/furniture/products", {"limit": 3})["items"])
food = get("/grocery/products", {"limit": 1})["items"][0]["sku"]
remedy = next(item["vnr"] for item in get("/pharmacy/medicines", {"q": "paracetamol"})["items"] if item["status"] == "K")
antibiotic = get("/pharmacy/medicines", {"q": "amoxicillin"})["items"][0]["vnr"]
goods = {"furniture": sofa, "grocery": food, "pharmacy": remedy}
for shop, sku in goods.items():
    product = get(f"/{shop}/products/{{sku}}", sku=sku)
    call("PUT", f"/{shop}/products/{{sku}}/price", {"price": product["price"]}, version=product["version"], sku=sku)
discount = {"title": "Contract", "cut": {"percent": 1000}, "ends_at": "soon", "skus": [other]}
discount["ends_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400))
call("DELETE", "/furniture/discounts/{id}", id=post("/furniture/discounts", discount)["id"])
promotion = {"name": {"en": "Contract"}, "sku": food, "reduction": {"off": 1000}, "starts_at": later, "ends_at": "2099-01-08T00:00:00Z"}
kept, ended = (post("/grocery/promotions", promotion) for _ in range(2))
call("PUT", "/grocery/promotions/{id}", promotion, version=kept["version"], id=kept["id"])
call("DELETE", "/grocery/promotions/{id}", version=ended["version"], id=ended["id"])
names["/grocery/promotions/"] = {"path.id": kept["id"]}
export = post("/furniture/exports", {"format": "ndjson"})["id"]
names["/furniture/exports/"] = {"path.id": export}
until("the export", lambda: get("/furniture/exports/{id}", id=export)["state"] == "ready")
# Nobody listens there.
subscription = {"url": "http://127.0.0.1:9/", "events": ["export.ready"]}
names["/furniture/webhooks/"] = {"path.id": post("/furniture/webhooks", subscription)["id"]}

# Orders in every shop: one all the way, and one that is left open.
for shop, sku in goods.items():
    basket = {"lines": [{"sku": sku, "quantity": 1}], "deliver_to": address}
    order = post(f"/{shop}/orders", basket)["id"]
    post(f"/{shop}/orders/{{id}}/confirm", {"payment": "contract"}, id=order)
    post(f"/{shop}/orders/{{id}}/dispatch", {}, id=order)
    names[f"/{shop}/orders/"] = {"path.id": post(f"/{shop}/orders", basket)["id"]}
prescription = {"patient": "demo-contract", "vnr": antibiotic, "packages": 2, "dosage": "one a day"}
names["/pharmacy/prescriptions/"] = {"path.id": post("/pharmacy/prescriptions", prescription)["id"]}
taken = post("/pharmacy/prescriptions", prescription)["id"]
order = post("/pharmacy/orders", {"lines": [{"sku": antibiotic, "quantity": 1, "prescription": taken}], "deliver_to": address})["id"]
post("/pharmacy/orders/{id}/advice", {"text": "with water"}, id=order)
get("/pharmacy/orders/{id}/advice", id=order)
names["/pharmacy/orders/[^/]*/advice"] = {"path.id": order}

# The reseller.
until("offers", lambda: any(offer["sku"] == sofa for offer in get("/reseller/offers", {"shop": "furniture", "limit": 200})["items"]))
basket = {"lines": [{"shop": "furniture", "sku": sofa, "quantity": 1}], "deliver_to": address}
post("/reseller/quotes", basket)
paid = {"payment": {"method": "demo-card", "token": "demo-card"}}
post("/reseller/orders/{id}/cancel", {"reason": "contract"}, id=post("/reseller/orders", basket | paid)["id"])
names["/reseller/orders/"] = {"path.id": post("/reseller/orders", basket | paid)["id"]}

# The warehouse.
thing = {"item": "furniture.CONTRACT", "quantity": 9, "name": "Thing", "weight_g": 100, "volume_ml": 100, "cold_chain": False}
receipt = post("/warehouse/receipts", {"reference": "contract", "lines": [thing]})
names["/warehouse/receipts/"] = {"path.id": receipt["id"]}
count = {"item": thing["item"], "lot": "-", "bin": receipt["lines"][0]["bin"], "counted": 9, "reason": "contract"}
post("/warehouse/counts", count)


def shipment(reference):
    lines = [{"item": thing["item"], "quantity": 1}]
    return post("/warehouse/shipments", {"reference": reference, "deliver_to": address, "lines": lines, "value": price})["id"]


sent = shipment("contract-sent")
post("/warehouse/shipments/{id}/pick", {"found": []}, id=sent)
post("/warehouse/shipments/{id}/pack", {}, id=sent)
get("/warehouse/shipments/{id}/label", id=sent)
post("/warehouse/shipments/{id}/ship", {}, id=sent)
post("/warehouse/shipments/{id}/cancel", {"reason": "contract"}, id=shipment("contract-cancelled"))
names["/warehouse/shipments/"] = {"path.id": sent}

# The couriers.
parcel = {"reference": "contract", "from": address, "to": address, "weight_g": 100, "volume_ml": 100, "value": price}
names["/courier/parcels/"] = {"path.number": post("/courier/parcels", parcel)["number"]}
dropped = post("/courier/parcels", parcel | {"reference": "contract-dropped"})["number"]
post("/courier/parcels/{number}/cancel", {}, number=dropped)
consignment = {name: parcel[name] for name in ["from", "to", "weight_g", "volume_ml"]}
consignment |= {"reference": "contract", "carrier": "swift-vans", "cold_chain": False, "secret": "whsec_Y29udHJhY3QtY29udHJhY3Q="}
post("/carrier/consignments", consignment)
post("/carrier/rounds", {"references": ["contract"]})

for shop, sku in goods.items():
    names[f"/{shop}/products/[^/]*(/price|/restock)?$"] = {"path.sku": sku}
names["/furniture/products/[^/]*/withdraw"] = {"path.sku": third}
names["/pharmacy/(medicines/|availability)"] = {"path.vnr": remedy, "query.vnr": remedy}
# A pharmacist has to say whose prescriptions are to be seen, and why.
names["/pharmacy/prescriptions$"] = {"query.patient": "demo-contract", "query.reason": "contract"}
names["/pharmacy/prescriptions/"] |= {"query.reason": "contract"}
for path, values in names.items():
    print(f'[[operations]]\ninclude-path-regex = "^/api/v1{path}"\n[operations.parameters]')
    print(*(f'"{name}" = "{value}"' for name, value in values.items()), "", sep="\n")
print(f"[checks.everything_succeeds]\nreached = {json.dumps(sorted(reached))}")
