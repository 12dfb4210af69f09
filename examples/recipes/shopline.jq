# SHOPLINE (Taiwan, Hong Kong; open-api.docs.shoplineapp.com) orders and return orders, as webhooks
# carry them, as order events of accrual, one JSON line each:
#
#   jq -c --arg shop acme -f shopline.jq < webhook.json      # or jaq, with the same options
#
# The key of the Kafka record is `data.order_id`.
#
# What the payload does not say, and what is assumed:
# - Order of webhooks: none is needed. Each carries the whole order, `updated_at` decides. Of two
#   webhooks of one instant the event id decides.
# - Money is {cents, dollars}; `dollars` is read, for `cents` are not hundredths in TWD.
# - When it was cancelled or completed is not in it: that counts from the first webhook that shows
#   it. Another status takes it back. `removed` is cancelled; `temp` is no order yet.
# - Payments: `completed`, `refunding` and `refunded` are paid, since the payment's `updated_at`;
#   `failed` and `expired` take that back, the customer may pay again under the same id.
# - Delivery: `arrived` is delivered, at a store as at home, `collected` is picked up. Orders with a
#   store's `location_code`, or of delivery type `pickup`, are fetched by the customer.
# - Guests: `is_guest_checkout`. Staff at the till (`created_from: pos`) know the customer.
# - Goods: of what rules choose goods by there are `sku` and the id of the product. Gifts (item type
#   `Gift`) have the tag `gift`. Categories, brands and tags are not in it.
# - Discounts: `order_discount` holds those of single goods as well; these are taken off it.
# - Points: `order_points` are redeemed from the balance that accrual keeps. Where SHOPLINE keeps
#   the points itself, add `order_points_to_cash` to `store_credit` instead.
# - Tax: prices contain it.
# - Split orders: each part is an order of its own, and what is left of the parent another snapshot.
# - Returns: a return order counts when it is completed, with its `total`; so does a till's order of
#   type `return`, for the order in `return_from_order_id`. One without a receipt names no order
#   and is left out. An exchange (type `exchange`) is refused with an error: enter it as a return
#   and a new order at the full price, not as store credit.

def micros: (. // "0") | tostring
  | capture("^(?<minus>-?)(?<whole>[0-9]+)([.](?<part>[0-9]+))?$")
  | (.whole + ((.part // "") + "000000")[:6] | tonumber) * (if .minus == "-" then -1 else 1 end);
def money: tostring
  | (if length < 7 then "0000000"[length:] + . else . end)
  | .[-6:] as $part | .[:-6] + (if $part == "000000" then "" else "." + ($part | sub("0+$"; "")) end);
def dollars: .dollars | micros;
def sum(f): [f] | add // 0;

def event($type; $id; $time; $order; $data): {
  specversion: "1.0",
  id: $id,
  source: "/shopline/\($shop)",
  type: $type,
  subject: $order,
  time: $time,
  data: ({shop_id: $shop, order_id: $order} + $data)
};

def refund($order; $worth):
  event("order.refunded"; "return-\(.id)"; .updated_at; $order;
    {refund: {id: .id, amount: ($worth | money)}});

def line: {
  id: .id,
  sku: .sku,
  product_id: .item_id,
  tags: (if .item_type == "Gift" then ["gift"] else [] end),
  quantity: .quantity,
  unit_price: (.item_price | dollars | money),
  discount_total: (.discounted_price | dollars | money)
};

def order:
  .updated_at as $time
  | sum(.subtotal_items[] | .discounted_price | dollars) as $of_lines
  | (.order_payment.status | . == "completed" or . == "refunding" or . == "refunded") as $paid
  | (.order_delivery | .delivery_status // .status) as $way
  | (.created_from == "pos") as $pos
  | ((.delivery_data.location_code // "") != "" or .order_delivery.delivery_type == "pickup") as $pickup
  | (["shipped", "arrived", "collected", "returning", "returned"] | any(. == $way)) as $shipped
  | ($way == "arrived" or $way == "collected") as $arrived
  | (.order_delivery.updated_at // $time) as $moved
  | {
      created_at: .created_at,
      channel: (if $pos then "pos" elif .created_from == "shop_crm" then "social" else "online" end),
      currency: .currency_iso,
      customer: (if .customer_id == null then null
        else {id: .customer_id, logged_in: (.is_guest_checkout != true)} end),
      line_items: [.subtotal_items[] | line],
      subtotal: (sum(.subtotal_items[] | .quantity * (.item_price | dollars)) | money),
      discount_total: ((.order_discount | dollars) - $of_lines | money),
      store_credit: (.user_credit | dollars | money),
      points_redeemed: (.order_points // 0),
      points_redeemed_amount: (.order_points_to_cash | dollars | money),
      shipping_total: (.order_delivery.total | dollars | money),
      surcharge_total: (.order_payment.payment_fee | dollars | money),
      tax_total: (.total_tax_fee | dollars | money),
      prices_include_tax: true,
      payment_method: .order_payment.payment_type,
      delivery: {type: (if $pos then "none" elif $pickup then "pickup" else "home" end)},
      paid_at: (if $paid then (.order_payment.updated_at // $time) else null end),
      shipped_at: (if $shipped then $moved else null end),
      delivered_at: (if $arrived then $moved else null end),
      picked_up_at: (if $way == "collected" then $moved else null end),
      completed_at: (if .status == "completed" then $time else null end),
      cancelled_at: (if .status == "cancelled" or .status == "removed" then $time else null end)
    } as $order
  | event("order.updated"; "order-\(.id)-\($time)"; $time; .id; {order: $order});

(.resource // .)
| if .type == "exchange" then error("order \(.id) is an exchange: enter a return and a new order")
  elif .type == "return" then
    if .return_from_order_id == null then empty
    else refund(.return_from_order_id; (.subtotal | dollars) - (.order_discount | dollars)) end
  elif has("order_id") then
    if .status == "completed" then refund(.order_id; .total | dollars) else empty end
  elif .status == "temp" then empty
  else order end
