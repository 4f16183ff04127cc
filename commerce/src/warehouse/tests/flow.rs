//! The ways of a shipment.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{fresh, id, line, shipment, world};

#[tokio::test]
async fn a_waiting_shipment_is_filled_when_goods_come() {
    let world = world(0).await;
    world.stock(&[line("furniture.LAMP", 1)]).await;
    let first = world.order(&[("furniture.LAMP", 1), ("furniture.SOFA", 2)]).await;
    let second = world.order(&[("furniture.SOFA", 1)]).await;
    assert_eq!((&first["state"], &second["state"]), (&json!("waiting"), &json!("waiting")));
    // Too few for the first, and it holds nothing back from the second.
    world.stock(&[line("furniture.SOFA", 1)]).await;
    assert_eq!((world.state(&first).await, world.state(&second).await), ("waiting".into(), "reserved".into()));
    let third = world.order(&[("furniture.SOFA", 2)]).await;
    world.stock(&[line("furniture.SOFA", 3)]).await;
    // The oldest gets it, whole; the third waits on.
    assert_eq!((world.state(&first).await, world.state(&third).await), ("reserved".into(), "waiting".into()));
    // What is called off goes to who waits.
    world.done(&format!("/shipments/{}/cancel", id(&first)), &json!({ "reason": "changed my mind" })).await;
    assert_eq!(world.state(&third).await, "reserved");
    let partial = {
        let mut body = shipment(&[("furniture.SOFA", 9)]);
        body["partial"] = json!(true);
        world.done("/shipments", &body).await
    };
    assert_eq!((&partial["state"], &partial["lines"][0]["reserved"]), (&json!("reserved"), &json!(1)));
    world.holds().await;
}

#[tokio::test]
async fn a_short_pick_takes_other_lots_or_is_told() {
    let world = world(0).await;
    world.stock(&[fresh("grocery.MILK", 4, "SOON", 3)]).await;
    world.stock(&[fresh("grocery.MILK", 3, "LATE", 30)]).await;
    let order = world.order(&[("grocery.MILK", 4)]).await;
    let path = format!("/shipments/{}/pick", id(&order));
    let picks = world.get(&format!("{path}s")).await;
    assert_eq!((picks.as_array().unwrap().len(), &picks[0]["lot"]), (1, &json!("SOON")));
    let found = |pick: &Value, quantity: i64| json!({ "found": [{ "line": pick["line"], "stock": pick["stock"], "quantity": quantity }] });
    // More than asked for, and what is not on the list.
    assert_eq!(world.post(&path, &found(&picks[0], 5)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let stray = json!({ "found": [{ "line": 0, "stock": 9999, "quantity": 0 }] });
    assert_eq!(world.post(&path, &stray).await.1["errors"][0]["pointer"], "/found/0");
    // One is there: the other three come from the later lot.
    let after = world.done(&path, &found(&picks[0], 1)).await;
    assert_eq!(
        (&after["state"], &after["lines"][0]["picked"], &after["lines"][0]["reserved"]),
        (&json!("picking"), &json!(1), &json!(4))
    );
    world.holds().await;
    let picks = world.get(&format!("{path}s")).await;
    assert_eq!(picks[0]["lot"], "LATE");
    let after = world.done(&path, &found(&picks[0], 2)).await;
    assert_eq!(after["state"], "short");
    assert_eq!(world.events().await.last().unwrap(), "shipment.short");
    world.holds().await;
    // Goods come: it goes on where it was.
    world.stock(&[fresh("grocery.MILK", 5, "NEW", 20)]).await;
    assert_eq!(world.state(&order).await, "picking");
    world.step(&order, "pick").await;
    assert_eq!(world.step(&order, "pack").await["lines"][0]["picked"], 4);
    world.holds().await;
}

#[tokio::test]
async fn a_courier_that_is_down_gets_it_later_and_once() {
    let world = world(0).await;
    world.stock(&[line("furniture.LAMP", 5)]).await;
    let order = world.order(&[("furniture.LAMP", 2)]).await;
    world.step(&order, "pick").await;
    world.step(&order, "pack").await;
    world.context.peers.unbind();
    assert_eq!(world.step(&order, "ship").await["state"], "packed");
    let called_off = world.post(&format!("/shipments/{}/cancel", id(&order)), &json!({ "reason": "x" })).await;
    assert_eq!(called_off.0, StatusCode::CONFLICT);
    world.pass(5).await;
    assert_eq!(world.state(&order).await, "packed");
    // It is back, books, and its answer is lost: it is asked again with the same key.
    world.courier_up();
    *world.courier.mumbles.lock().unwrap() = true;
    world.pass(120).await;
    assert_eq!((world.bookings(), world.state(&order).await), (1, "packed".into()));
    *world.courier.mumbles.lock().unwrap() = false;
    world.pass(120).await;
    let shipped = world.get(&format!("/shipments/{}", id(&order))).await;
    assert_eq!((&shipped["state"], &shipped["parcel"], world.bookings()), (&json!("shipped"), &json!("EF000001"), 1));
    world.pass(600).await;
    assert_eq!(world.bookings(), 1);
    assert_eq!(world.events().await.iter().filter(|kind| *kind == "shipment.shipped").count(), 1);
    assert_eq!(world.get("/stock").await["items"][0]["on_hand"], 3);
    world.holds().await;
}

#[tokio::test]
async fn a_refusal_is_told_and_not_repeated() {
    let world = world(0).await;
    world.stock(&[line("furniture.LAMP", 5)]).await;
    let order = world.order(&[("furniture.LAMP", 1)]).await;
    world.step(&order, "pick").await;
    world.step(&order, "pack").await;
    *world.courier.refuses.lock().unwrap() = Some(StatusCode::UNPROCESSABLE_ENTITY);
    let refused = world.step(&order, "ship").await;
    assert_eq!((&refused["state"], &refused["refusal"]), (&json!("packed"), &json!("no")));
    *world.courier.refuses.lock().unwrap() = None;
    world.pass(600).await;
    assert_eq!(world.bookings(), 0);
    // By hand it can be tried again.
    assert_eq!(world.step(&order, "ship").await["state"], "shipped");
}

#[tokio::test]
async fn a_parcel_that_nobody_carries_goes_back_to_the_shelf() {
    let world = world(0).await;
    world.stock(&[line("furniture.SOFA", 2)]).await;
    let order = world.order(&[("furniture.SOFA", 2)]).await;
    world.step(&order, "pick").await;
    world.step(&order, "pack").await;
    let shipped = world.step(&order, "ship").await;
    let number = shipped["parcel"].as_str().unwrap();
    world.tell("parcel.cancelled", number, id(&order)).await;
    world.tell("parcel.cancelled", number, id(&order)).await;
    let path = format!("/shipments/{}", id(&order));
    let called_off = world.get(&path).await;
    assert_eq!((&called_off["state"], &called_off["lines"][0]["shipped"]), (&json!("cancelled"), &json!(0)));
    // Who comes next gets the same pieces.
    let next = world.order(&[("furniture.SOFA", 2)]).await;
    assert_eq!(world.state(&next).await, "reserved");
    world.holds().await;
}

#[tokio::test]
async fn the_courier_is_followed_and_returns_are_inspected() {
    let world = world(0).await;
    world.stock(&[line("furniture.LAMP", 5), fresh("grocery.MILK", 5, "L1", 9)]).await;
    let orders =
        [world.order(&[("furniture.LAMP", 1)]).await, world.order(&[("furniture.LAMP", 2), ("grocery.MILK", 1)]).await];
    for order in &orders {
        world.step(order, "pick").await;
        world.step(order, "pack").await;
    }
    // A process that died before it wrote the number down hears of it from the courier.
    world.tell("parcel.delivered", "EF000009", id(&orders[0])).await;
    let delivered = world.get(&format!("/shipments/{}", id(&orders[0]))).await;
    assert_eq!((&delivered["state"], &delivered["parcel"]), (&json!("delivered"), &json!("EF000009")));
    let shipped = world.step(&orders[1], "ship").await;
    let number = shipped["parcel"].as_str().unwrap();
    world.tell("parcel.returned", "EF999999", id(&orders[1])).await;
    assert_eq!(world.state(&orders[1]).await, "shipped");
    world.tell("parcel.lost", number, id(&orders[1])).await;
    world.tell("parcel.returned", number, id(&orders[1])).await;
    world.tell("parcel.returned", number, id(&orders[1])).await;
    assert_eq!(world.state(&orders[1]).await, "returned");
    let path = format!("/shipments/{}/inspect", id(&orders[1]));
    let lots = |milk: i64| {
        json!({ "lots": [
            { "item": "furniture.LAMP", "lot": "-", "sellable": 1, "scrap": 1 },
            { "item": "grocery.MILK", "lot": "L1", "sellable": milk, "scrap": 1 - milk },
        ]})
    };
    // The cold chain was broken: it cannot be sold.
    assert_eq!(world.post(&path, &lots(1)).await.1["errors"][0]["pointer"], "/lots/1");
    assert_eq!(world.done(&path, &lots(0)).await["inspected"], true);
    assert_eq!(world.post(&path, &lots(0)).await.0, StatusCode::CONFLICT);
    let stock = world.get("/stock").await;
    let on_hand: Vec<_> =
        stock["items"].as_array().unwrap().iter().map(|row| (&row["item"], &row["on_hand"])).collect();
    assert_eq!(on_hand, [(&json!("furniture.LAMP"), &json!(3)), (&json!("grocery.MILK"), &json!(4))]);
    world.holds().await;
}

#[tokio::test]
async fn counts_correct_the_books_and_break_reservations() {
    let world = world(0).await;
    let receipt = world.stock(&[line("furniture.LAMP", 20)]).await;
    let bin = &receipt["lines"][0]["bin"];
    let older = world.order(&[("furniture.LAMP", 8)]).await;
    let newer = world.order(&[("furniture.LAMP", 8)]).await;
    let count = |counted: i64| json!({ "item": "furniture.LAMP", "lot": "-", "bin": bin, "counted": counted, "reason": "round" });
    assert_eq!(world.done("/counts", &count(20)).await["state"], "agreed");
    assert_eq!(world.done("/counts", &count(10)).await["state"], "count_again");
    assert_eq!(world.get("/stock").await["items"][0]["on_hand"], 20);
    assert_eq!(world.done("/counts", &count(10)).await["state"], "corrected");
    assert_eq!((world.state(&older).await, world.state(&newer).await), ("reserved".into(), "short".into()));
    world.holds().await;
    assert_eq!(world.done("/counts", &count(16)).await["state"], "count_again");
    assert_eq!(world.done("/counts", &count(16)).await["state"], "corrected");
    assert_eq!(world.state(&newer).await, "reserved");
    let audit = world.get("/audit?item=furniture.LAMP").await;
    let row = audit["rows"].as_array().unwrap().iter().find(|row| row["bin"] == *bin).unwrap();
    assert_eq!((&row["movements"]["put"]["on_hand"], &row["movements"]["count"]["on_hand"]), (&json!(20), &json!(-4)));
    world.holds().await;
}

#[tokio::test]
async fn what_expires_is_thrown_away_and_never_sent() {
    let world = world(0).await;
    world.stock(&[fresh("grocery.MILK", 4, "SOON", 1)]).await;
    let order = world.order(&[("grocery.MILK", 2)]).await;
    world.stock(&[fresh("grocery.MILK", 2, "LATE", 30)]).await;
    world.pass(86_400).await;
    // The reservation moved to the lot that still is good.
    assert_eq!(world.state(&order).await, "reserved");
    assert_eq!(world.get(&format!("/shipments/{}/picks", id(&order))).await[0]["lot"], "LATE");
    assert_eq!(world.get("/stock").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(world.get("/audit").await["movements"]["scrap"]["on_hand"], -4);
    world.holds().await;
}

#[tokio::test]
async fn robots_walk_alone() {
    let world = world(1000).await;
    world.stock(&[line("furniture.LAMP", 5), fresh("grocery.MILK", 5, "L1", 9)]).await;
    let order = world.order(&[("furniture.LAMP", 1), ("grocery.MILK", 2)]).await;
    world.warehouse.round().await.unwrap();
    assert_eq!(world.state(&order).await, "reserved");
    for state in ["picking", "packed", "shipped"] {
        world.pass(1).await;
        assert_eq!(world.state(&order).await, state);
    }
    let parcel = world.courier.booked.lock().unwrap().values().next().unwrap().clone();
    assert_eq!(
        (&parcel["wish"]["cold_chain"], &parcel["wish"]["weight_g"]),
        (&json!(true), &json!(500 + 2 * 1030 + 250))
    );
    assert_eq!(world.events().await, ["receipt.received", "shipment.reserved", "shipment.packed", "shipment.shipped"]);
    world.holds().await;
}

#[tokio::test]
async fn two_never_get_the_same_units() {
    let world = world(0).await;
    world.stock(&[line("furniture.LAMP", 10)]).await;
    let body = shipment(&[("furniture.LAMP", 1)]);
    let orders = (0..40).map(|_| world.done("/shipments", &body));
    let orders = futures_util::future::join_all(orders).await;
    assert_eq!(orders.iter().filter(|order| order["state"] == "reserved").count(), 10);
    let stock = world.get("/stock").await;
    assert_eq!((&stock["items"][0]["on_hand"], &stock["items"][0]["reserved"]), (&json!(10), &json!(10)));
    world.holds().await;
}
